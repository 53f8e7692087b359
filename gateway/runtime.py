"""What serves in a worker: the core, the pools, the listening server, and their change from snapshot to snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from typing import Any

import msgspec

from _speedups._affinity import Affinity
from _speedups._bucket import ArenaWorker, RingWriter
from gateway import pipeline
from gateway.admin_door import Knocking
from gateway.cache.flight import Flights
from gateway.core import Core
from gateway.credentials.keys import KeyCredentials
from gateway.credentials.source import Sources
from gateway.overload.guard import Guard
from gateway.overload.probe import Probe
from gateway.phases.content import Contents
from gateway.phases.forward import Forward
from gateway.processes import logs
from gateway.processes.channel import Pressure, Publish
from gateway.processes.context import WorkerContext
from gateway.routing.affinity import affinity_of
from gateway.server.accepting import Accepting
from gateway.server.connection import ServerConnection
from gateway.serving import Upstream, View
from gateway.snapshot.cache import Cache
from gateway.snapshot.delta import apply
from gateway.snapshot.keytable import KeyTable
from gateway.snapshot.model import Delta, Health, PromptCacheAffinity, Provider, Snapshot, Timeouts, Tls
from gateway.tracing.carried import Carried, Carrying
from gateway.upstream.dial import Dialer
from gateway.upstream.origin import Origin
from gateway.upstream.pool import Pool
from gateway.upstream.tls import TlsContexts

SWEEP_S = 0.1
BACKLOG = 4096
"""create_server() calls listen() again with its own figure and would shrink the supervisor's."""

WATCHED_S = 13 * 3600.0
"""Longest answer of control's; a session lasts 12 h."""

log = logging.getLogger("microgate.runtime")


CONTEXTS = TlsContexts()
SHOWN_TO_CONTROL = (
    "authorization",
    "cookie",
    "if-match",
    "if-none-match",
    "origin",
    "sec-fetch-site",
    "x-api-key",
    "x-goog-api-key",
    "x-microgate-key",
    "api-key",
)
"""Fields of a caller that the control process decides by."""
"""Filled by ``preload`` before workers are forked: they share the pages of the parsed certificates."""


def preload() -> None:
    """Before forking: what takes time and is the same in every worker."""
    CONTEXTS.prepare([Tls()])


class Runtime:
    """Driven by ``gateway.worker``; all methods run on the loop's thread."""

    def __init__(
        self, context: WorkerContext, loop: asyncio.AbstractEventLoop, arena: ArenaWorker, ring: RingWriter
    ) -> None:
        self.context = context
        self.loop = loop
        self.arena = arena
        self.ring = ring
        self.core: Core | None = None
        self.guard: Guard | None = None
        self.pools: dict[Origin, Pool] = {}
        self.dialer = Dialer(loop, CONTEXTS)
        self.credentials: Sources | None = None
        """Made when the first key that needs it is configured."""
        self.servers: list[asyncio.Server] = []
        self.table: KeyTable | None = None
        self.table_name = ""
        self.sweeper: asyncio.TimerHandle | None = None
        self.sweep_due = 0.0
        self.tending: asyncio.Future[None] | None = None
        self.probe: Probe | None = None
        self.accepting: Accepting | None = None
        self.carrying = Carrying(pipeline.HOOKS["parsed"])
        self.understood: tuple[str, ...] = ()
        """Other gateways whose callers are."""
        self.contents: Contents | None = None
        self.closing: list[asyncio.Task[None]] = []
        """Caches of earlier configurations, which have told the last of what is to be kept."""

    # --- configuration

    def load(self, snapshot_path: str) -> None:
        """Serve from this snapshot. Raises OSError or msgspec.DecodeError and changes nothing when it can't be read."""
        with open(snapshot_path, "rb") as file:
            snapshot = msgspec.msgpack.decode(file.read(), type=Snapshot)
        self.adopt(snapshot)

    def apply(self, publish: Publish) -> None:
        """Swap to a newer version, by its delta where ours is the base, else by its file."""
        if self.core is not None and publish.delta is not None:
            delta = msgspec.msgpack.decode(publish.delta, type=Delta)
            if delta.base == self.core.view.version:
                self.adopt(apply(self.core.view.snapshot, delta))
                return
        self.load(publish.path)

    def adopt(self, snapshot: Snapshot) -> None:
        table = self.open_table(snapshot.table)
        core = self.core
        if core is None:
            core = Core(self.loop, View(snapshot, {}), table, self.arena, self.ring, self.context.index)
            core.attempts = Forward(core)
            core.flights = Flights(core)
            core.end_locally = pipeline.end_locally
            core.fault = pipeline.fault
            core.settled_hooks = pipeline.HOOKS["settled"]
            core.admission.end_locally = pipeline.end_locally
            core.admission.go_on = pipeline.go_on
            if self.context.connections:
                core.connection_cap = self.context.connections
            core.admin_token = self.read_admin_token()
            core.knocking = Knocking()
            core.own_host = self.context.host.lower()
            core.control = self.control_upstream(core)
            self.core = core
            self.guard = Guard(core, self.context.workers)
        known = core.view.upstreams
        upstreams: dict[str, Upstream] = {}
        for name, spec in snapshot.providers.items():
            if not spec.enabled:
                continue
            kept = known.get(name)
            # An unchanged provider keeps its object, and with it its connections and the state of its keys.
            upstreams[name] = kept if kept is not None and kept.spec == spec else self.upstream(core, spec)
        core.adopt(View(snapshot, upstreams), table)
        self.carrying.follow(snapshot.settings.tracing)
        self.understand(snapshot.settings.compat.products)
        self.cache(core, snapshot.settings.cache)
        if self.contents is None:
            self.contents = Contents(core, self.context.paths.runtime_dir, self.context.place)
        self.contents.follow(snapshot)
        if self.guard is not None:
            self.guard.follow(snapshot.settings.overload)
        if self.credentials is not None:
            keys = [key for upstream in upstreams.values() for key in upstream.key_specs if key.enabled]
            self.credentials.keep(key.credential for key in keys if key.credential is not None)
        settings = snapshot.settings
        name = f"worker-{self.context.index}"
        logs.follow(self.context.log_level, settings.log_level, settings.log_format, name)
        used = {id(upstream.pool) for upstream in upstreams.values()}
        for origin, pool in list(self.pools.items()):
            if id(pool) not in used and pool is not self.control_pool(core):
                del self.pools[origin]
                pool.retire()
        previous, self.table = self.table, table
        if previous is not None and previous is not table:
            previous.close()

    def understand(self, products: tuple[str, ...]) -> None:
        """Callers of these gateways from now on; of most there are none, and nothing is imported for them."""
        if products != self.understood:
            from gateway.compat.switch import switch

            switch(pipeline.HOOKS, products)
            self.understood = products

    def upstream(self, core: Core, spec: Provider) -> Upstream:
        origin = Origin.of(spec, allow_private=spec.allow_private)
        pool = self.pools.get(origin)
        if pool is None:
            pool = self.pools[origin] = Pool(core, origin, self.dialer, spec.max_connections)
        pool.limit = spec.max_connections
        made = Upstream(spec, self.arena, pool)
        if any(key.credential is not None for key in spec.keys):
            self.credential(made)
        if spec.prompt_cache_affinity is not None:
            made.affinity = self.affinity(made, spec.prompt_cache_affinity)
        return made

    def cache(self, core: Core, settings: Cache) -> None:
        """Have a cache as configured; where nothing of it has changed, the one that is there."""
        if core.cache is not None and core.cache.settings != settings:
            self.closing.append(self.loop.create_task(core.cache.close()))
            core.cache = None
        if core.cache is None and settings.enabled:
            # Here and not above: most gateways have none.
            from gateway.cache.at_worker import open_cache

            core.cache = open_cache(core, settings, self.context.paths)
        if core.cache is not None:
            core.cache.adopted()

    def affinity(self, upstream: Upstream, asked: PromptCacheAffinity) -> Affinity:
        """Of the keys of a provider, over the memory that the builder made for all workers."""
        weights = [round(key.weight * 1000) for key in upstream.key_specs]
        path = os.path.join(self.context.paths.runtime_dir, asked.table) if asked.table else ""
        ttl_ns = int(asked.ttl * 1e9)
        try:
            return affinity_of(path, upstream.key_hashes, weights, ttl_ns=ttl_ns, spill=asked.spill)
        except (OSError, ValueError) as error:
            log.warning("provider %s: this worker knows alone which prompts are warm: %s", upstream.name, error)
            return affinity_of("", upstream.key_hashes, weights, ttl_ns=ttl_ns, spill=asked.spill)

    def credential(self, upstream: Upstream) -> None:
        """Let the keys that are no plain text have what they stand for."""
        if self.credentials is None:
            self.credentials = Sources(self.loop)
        upstream.credentials = KeyCredentials(upstream, self.credentials)

    def control_upstream(self, core: Core) -> Upstream:
        """The control process, asked like a provider. It judges who asks itself, so what they show goes on to it."""
        spec = Provider(
            id="own:control",
            name="control",
            vendor="custom",
            base_url=f"unix:{self.context.paths.admin_socket}",
            dialects={},
            paths={},
            forward_headers=SHOWN_TO_CONTROL,
            # It answers 503 while its database can't be used, which is no reason to ask less.
            health=Health(throttle=False),
            # Whoever watches does so for as long as a session lasts.
            timeouts=Timeouts(total=WATCHED_S),
        )
        return self.upstream(core, spec)

    def control_pool(self, core: Core) -> Pool | None:
        return None if core.control is None else core.control.pool

    def open_table(self, name: str) -> KeyTable | None:
        if not name:
            return None
        if name == self.table_name and self.table is not None:
            return self.table
        table = KeyTable.open(os.path.join(self.context.paths.runtime_dir, name))
        self.table_name = name
        return table

    def read_admin_token(self) -> bytes:
        with contextlib.suppress(OSError), open(os.path.join(self.context.paths.data_dir, "admin.token"), "rb") as file:
            return file.read().strip()
        return b""

    # --- life

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept on these sockets, which listen already."""
        core = self.core
        if core is None:
            raise RuntimeError("no snapshot loaded")
        context = self.listening_tls(core.view.snapshot)
        for sock in sockets:
            server = await self.loop.create_server(self.connection, sock=sock, backlog=BACKLOG, ssl=context)
            self.servers.append(server)
        self.accepting = Accepting(self.loop, sockets, self.connection, context)
        self.probe = Probe(self.loop)
        self.sweep_due = self.loop.time()
        self.sweep()

    def connection(self) -> Any:
        if self.accepting is not None:
            self.accepting.taken()
        return ServerConnection(self.core)  # type: ignore[arg-type]  # a protocol by its methods, not by its class

    def listening_tls(self, snapshot: Snapshot) -> ssl.SSLContext | None:
        listen = snapshot.settings.listen_tls
        if listen is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(listen.cert_file, listen.key_file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def sweep(self) -> None:
        late_s = self.loop.time() - self.sweep_due
        if self.core is not None:
            try:
                self.core.sweep()
                if self.guard is not None and self.probe is not None:
                    self.guard.look(max(int(late_s * 1e9), self.probe.look()))
            except Exception:
                log.exception("sweep failed")
        if self.ring.untidy and (self.tending is None or self.tending.done()):
            # In a thread: callers do not wait for the disk that records go to while nobody takes them.
            self.tending = self.loop.run_in_executor(None, self.ring.tend)
        self.sweep_due = self.loop.time() + SWEEP_S
        self.sweeper = self.loop.call_at(self.sweep_due, self.sweep)

    async def drain(self, deadline: float) -> None:
        """Stop accepting, finish what runs; what still runs at ``deadline`` (``loop.time()``) is cut with an error."""
        core = self.core
        if core is None:
            return
        for server in self.servers:
            server.close()
        if self.accepting is not None:
            self.accepting.close()
        core.draining = True
        if core.shadows is not None:
            core.shadows.cut_all()
        if core.cache is not None and core.cache.similar is not None:
            core.cache.similar.embedding.cut_all()
        core.close_idle()
        while core.connections and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
        core.cut_all()
        if core.cache is not None:
            await core.cache.close()
        if self.contents is not None:
            self.contents.flush()
        # One turn of the loop, so that what was written last leaves.
        await asyncio.sleep(0.05)

    def leave(self) -> None:
        """Stop accepting; every connection ends with the answer to its caller's next request: one that is closed while
        its caller writes would lose that request. Realtime sessions end as in any drain, after an answer under way."""
        for server in self.servers:
            server.close()
        core = self.core
        if core is not None and self.guard is not None:
            self.guard.leave()
            for session in [one for one in core.connections if not isinstance(one, ServerConnection)]:
                session.close_if_idle()

    def close(self) -> None:
        if self.contents is not None:
            self.contents.close()
        if self.sweeper is not None:
            self.sweeper.cancel()
        if self.probe is not None:
            self.probe.close()
        for server in self.servers:
            server.close()
        if self.credentials is not None:
            self.credentials.close()
        for pool in self.pools.values():
            pool.retire()
            for task in list(pool.tasks):
                task.cancel()
        if self.core is not None:
            for connection in list(self.core.connections):
                connection.abort()

    def readiness(self, ready: bool, why: str) -> None:
        """What the shell knows beyond this process: other workers, the control process."""
        if self.core is not None:
            self.core.ready = ready
            self.core.not_ready_why = why

    def carried(self) -> list[Carried]:
        """Trace contexts of callers, for control."""
        return self.carrying.take()

    def in_flight(self) -> int:
        return 0 if self.core is None else self.core.in_flight

    def connections(self) -> int:
        return 0 if self.core is None else len(self.core.connections)

    def upstream_connections(self) -> int:
        return sum(pool.open for pool in self.pools.values())

    def pressure(self) -> Pressure:
        return Pressure() if self.guard is None else self.guard.pressure()

"""What all requests of one worker share. One instance a worker; nothing here is per request."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from _speedups._bucket import ArenaWorker
from _speedups._bytes import monotonic_ns, numbered, word_at
from _speedups._head import HeaderFilter, HeadScan
from _speedups._ring import Record, RingWriter
from _speedups._scan import JsonScan
from _speedups._stream import UsageScan
from gateway.overload.admission import Admission
from gateway.principal import Principal
from gateway.server.deadlines import Wheel
from gateway.server.forwarded import Forwarded
from gateway.serving import Upstream, View
from gateway.snapshot.model import ServerLimits
from providers.headers import (
    FRAMING,
    REQUEST_ALLOW,
    REQUEST_ALLOW_BY_DIALECT,
    REQUEST_COMMON,
    REQUEST_PREFIXES,
    RESPONSE_DROP,
    RESPONSE_DROP_KEEPING_LIMITS,
    RESPONSE_DROP_PREFIXES,
    RESPONSE_DROP_PREFIXES_KEEPING_LIMITS,
)
from providers.operations import Dialect

if TYPE_CHECKING:
    from gateway.snapshot.keytable import KeyTable

log = logging.getLogger("microgate")

CREDENTIALS_KEPT = 100_000
"""Credentials remembered with their principal. One entry takes about 300 bytes."""
REFUSALS_KEPT = 4_096
"""Unknown credentials remembered, so that a storm of one bad key costs a dictionary look-up each (D7)."""


class Core:
    """The worker's data plane: its view, scratch objects, trail and clocks."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        view: View,
        table: KeyTable | None,
        arena: ArenaWorker | None,
        ring: RingWriter | None,
        worker: int = 0,
    ) -> None:
        self.loop = loop
        self.worker = worker
        self.wheel = Wheel(monotonic_ns())
        self.arena = arena
        self.ring = ring
        self.record = Record()
        self.json = JsonScan()
        self.usage = UsageScan()
        self.request_head = HeadScan()
        self.answer_head = HeadScan()
        self.request_filter = HeaderFilter(REQUEST_ALLOW, REQUEST_PREFIXES, keep=True)
        without_type = [name for name in REQUEST_ALLOW if name != b"content-type"]
        self.bare_filter = HeaderFilter(without_type, REQUEST_PREFIXES, keep=True)
        self.control_filter = HeaderFilter(FRAMING, keep=False)
        """Answers of the control process are the gateway's own: cookies and policies pass."""
        self.filters: dict[int, HeaderFilter] = {}
        self.principals: dict[bytes, Principal] = {}
        self.refused: dict[bytes, int] = {}
        self.connections: set[Any] = set()
        self.connection_cap = 1 << 30
        self.max_connections = self.connection_cap
        self.in_flight = 0
        self.expire_ns = 0
        self.hedgings: dict[str, Any] = {}
        """Route's id -> what ``gateway.phases.hedge`` knows of its first bytes."""
        self.shadows: Any = None
        """``gateway.routing.shadow.Shadowing``, from the first shadow on."""
        self.flights: Any = None
        """``gateway.cache.flight.Flights``; set by gateway.runtime."""
        self.further = 0
        """Of these at an attempt that is not their first."""
        self.admission = Admission(loop)
        self.refused_connections = 0
        self.intake = 1 << 62
        """Bytes that callers can send until ``measure`` is called: what looks at the memory now and then comes too
        late for what fills it at once."""
        self.measure: Any = None
        self.draining = False
        self.ready = True
        self.not_ready_why = ""
        # Set once by gateway.runtime: the phases that callbacks lead back to.
        self.attempts: Any = None
        self.end_locally: Any = None
        self.fault: Any = None
        self.settled_hooks: list[Any] = []
        self.cache: Any = None
        """``gateway.cache.answers.Answers``; None: no cache is configured."""
        self.control: Upstream | None = None
        self.knocking: Any = None
        """``gateway.admin_door.Knocking``; set by gateway.runtime, like the token."""
        self.own_host = ""
        """The name or address that is listened on."""
        self.admin_token = b""
        self.read_buffer = bytearray(65536)
        self.read_view = memoryview(self.read_buffer)
        self.id_prefix = os.urandom(10).hex().encode()
        self.id_counter = 0
        self.adopt(view, table)

    def adopt(self, view: View, table: KeyTable | None) -> None:
        """Serve from ``view`` from the next request on; requests under way keep the view they began with."""
        self.view = view
        self.table = table
        # Never None: an empty view stands for no table, and no principal is remembered without one.
        # A view of its own: the table cannot be unmapped while it is looked at.
        self.words = memoryview(b"").cast("Q") if table is None else memoryview(table.words)
        self.principals = {}
        self.refused = {}
        if view.snapshot.settings.forward_rate_limit_headers:
            self.answer_filter = HeaderFilter(
                RESPONSE_DROP_KEEPING_LIMITS, RESPONSE_DROP_PREFIXES_KEEPING_LIMITS, keep=False
            )
        else:
            self.answer_filter = HeaderFilter(RESPONSE_DROP, RESPONSE_DROP_PREFIXES, keep=False)
        proxies = view.snapshot.settings.trusted_proxies
        self.forwarded = Forwarded(proxies) if proxies else None
        self.stream_keepalive_ns = int(view.snapshot.settings.stream_keepalive * 1e9)
        self.bound(view.snapshot.settings.limits)

    def bound(self, limits: ServerLimits) -> None:
        # What the files a process may open allow for is never exceeded.
        cap = self.connection_cap
        self.max_connections = min(cap, limits.connections) if limits.connections else cap
        self.header_bytes = limits.header_bytes
        self.header_count = limits.header_count
        self.target_bytes = limits.target_bytes
        self.response_json_bytes = limits.response_json_bytes
        self.json_body_bytes = limits.json_body_bytes
        self.binary_hold_bytes = limits.binary_hold_bytes
        self.binary_body_bytes = limits.binary_body_bytes
        self.header_timeout_ns = int(limits.header_timeout * 1e9)
        self.body_timeout_ns = int(limits.body_timeout * 1e9)
        self.body_min_rate = limits.body_min_rate
        self.body_grace_ns = int(limits.body_grace * 1e9)
        self.keepalive_ns = int(limits.keepalive_timeout * 1e9)
        self.keepalive_age_ns = int(limits.keepalive_max_age * 1e9)
        self.write_timeout_ns = int(limits.write_timeout * 1e9)

    def next_id(self) -> bytes:
        """A request id: 32 hexadecimal digits, unique over workers and restarts: 80 random bits a worker
        life, then a counter."""
        self.id_counter += 1
        return numbered(self.id_prefix, self.id_counter)

    def principal_of(self, credential: bytes) -> Principal | None:
        """Who this credential belongs to; None when it is unknown, disabled or revoked.

        The whole credential is the key of the look-up (never a prefix), and a remembered principal counts only while
        its row is unchanged, so a revocation is in force at the next request.
        """
        table = self.table
        if table is None:
            return None
        found = self.principals.get(credential)
        if found is not None:
            if word_at(self.words, found.seq_at) == found.seq:
                return found
            del self.principals[credential]
        if credential in self.refused:
            return None
        principal = self.look_up(credential, table)
        if principal is None:
            if len(self.refused) >= REFUSALS_KEPT:
                self.refused.clear()
            self.refused[credential] = 1
            return None
        if len(self.principals) >= CREDENTIALS_KEPT:
            self.principals.clear()
        self.principals[credential] = principal
        return principal

    def look_up(self, credential: bytes, table: KeyTable) -> Principal | None:
        from gateway.snapshot.digest import key_digest

        row = table.find(key_digest(self.view.snapshot.pepper, credential))
        if row < 0:
            return None
        found = table.row(row)
        if not found.enabled:
            return None
        return Principal(
            table.seq_at(row),
            found.seq,
            found.id_hash,
            found.flags,
            found.ruleset,
            list(found.limits),
            found.stateful,
            found.expires_s,
            found.team,
            found.customer,
            self.view.rulesets[found.ruleset].configs,
        )

    def filter_for(self, dialect: int) -> HeaderFilter:
        """Which fields of a caller go to a provider of this dialect, content type left out; 0: of any."""
        found = self.filters.get(dialect)
        if found is None:
            name = Dialect(dialect).name.lower()
            fields = REQUEST_ALLOW_BY_DIALECT.get(name, REQUEST_COMMON)
            found = HeaderFilter([field for field in fields if field != b"content-type"], REQUEST_PREFIXES, keep=True)
            self.filters[dialect] = found
        return found

    def close_idle(self) -> None:
        """Close the connections on which nothing is under way."""
        for connection in list(self.connections):
            connection.close_if_idle()

    def cut_all(self) -> None:
        """End what still runs, with an error where one can be told."""
        for connection in list(self.connections):
            connection.cut_off()

    def sweep(self) -> None:
        """Every 100 ms: deadlines; every second: reservations that nobody has settled."""
        now_ns = monotonic_ns()
        self.wheel.sweep(now_ns)
        if self.arena is not None and now_ns >= self.expire_ns:
            self.expire_ns = now_ns + 1_000_000_000
            if self.cache is not None:
                self.cache.tend()
            expired = self.arena.expire(now_ns)
            if expired:
                log.warning("%d reservations had expired and were posted with what they had delivered", expired)

"""The control process: started by the supervisor once the workers serve, restarted whenever it ends.

Workers need it for nothing: while it is away they serve what they have, and records wait in their rings. Heavy imports
(Litestar) happen here, after the fork, in this process only, and once somebody asks for what they serve; Alembic and
SQLAlchemy only in a short-lived child of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module

from _speedups._bucket import Arena
from gateway import admin_token
from gateway.control.admin_socket import listening, telling
from gateway.control.aggregate import Aggregates
from gateway.control.alerting import Alerting
from gateway.control.configuration import Configuration
from gateway.control.content_feed import ContentFeed
from gateway.control.database import ControlDatabase
from gateway.control.entity_desk import EntityDesk
from gateway.control.entity_source import DatabaseEntities
from gateway.control.ingest import Ingest
from gateway.control.instance_id import instance_id
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.ledger_sums import LedgerSums
from gateway.control.live import Live
from gateway.control.log_choice import choice_of, limits_of, redactor_of
from gateway.control.log_reading import give_way
from gateway.control.model_lists import ModelLists
from gateway.control.periods import Periods
from gateway.control.record_tap import Tap
from gateway.control.refill import refill
from gateway.control.rollups import Rollups, merged
from gateway.control.state import ControlState
from gateway.control.telling import Telling
from gateway.operators.accounts import Accounts
from gateway.processes import logs
from gateway.processes.channel import ChannelServer, Health
from gateway.processes.context import ControlContext
from gateway.processes.kernel import name_process, trim_memory
from gateway.secrets.keeper import Keeper
from gateway.snapshot.plan import Plan
from gateway.snapshot.settings import defaults
from gateway.snapshot.store import StoreError, load_or_create_keys
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.rollups import RollupLimits
from gateway.stores.sqlite_rules import stop_counting_memory, version_note
from gateway.stores.urls import open_log, open_rollups

log = logging.getLogger("microgate.control")

TELL_S = 0.5
"""How often the workers hear of what is wrong here, when that has changed: /readyz then says so."""

DATABASE_S = 2.0
"""How often a control database is tried again that could not be used at the start."""

NOTE_S = 30.0
"""How often a configuration that came into force is noted again, where that could not be done."""

FILL_S = 0.5
"""How often it is tried to find out what budgets have spent, where that is not known."""

FILL_PAUSE_S = 0.05
"""Between two parts of the log that roll-ups are made of: the records that come have the processor first."""

TEND_S = 0.25
"""How often lines that wait for the log's reader are tried again."""

MAINTENANCE_S = 60.0
"""How often closed segments are indexed and old ones dropped."""

INDEXING_NICENESS = 15
"""A full hour is indexed for many seconds, for which nobody waits: behind those who look for something meanwhile."""

EXIT_FAILED = 1


def run(context: ControlContext) -> int:
    """Run the control process until SIGTERM; returns its exit status."""
    logs.configure(context.log_level, "control")
    name_process("mg-control")
    os.umask(0o077)
    stop_counting_memory()
    # The supervisor switched collection off for its forks; this process makes garbage like any web application.
    gc.enable()
    gc.freeze()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_Control(context).serve())
    except (OSError, ValueError, StoreUnavailable, StoreError, admin_token.AdminTokenError) as error:
        log.error("control cannot start: %s", error)  # noqa: TRY400 - a sentence for the operator
        return EXIT_FAILED
    finally:
        # Unlike asyncio.run(), without waiting for threads: one may still import or migrate, which may end anywhere.
        loop.close()


class _Control:
    """One life of the process."""

    def __init__(self, context: ControlContext) -> None:
        self.context = context
        self.paths = context.paths
        self.token = admin_token.load_or_create(self.paths.data_dir)
        self.arena = Arena.attach(self.paths.arena)
        self.aggregates = Aggregates()
        self.instance = instance_id(self.paths.data_dir)
        self.log_store = open_log(context.request_log_url, self.instance)
        self.database = ControlDatabase(context.database_url)
        self.pepper = load_or_create_keys(self.paths.key_file).pepper
        self.keeper = Keeper(self.paths.data_dir)
        self.accounts = Accounts(self.database.config, self.pepper, self.token, self.paths.data_dir)
        self.feed = LedgerFeed(
            self.database.ledger, LedgerSpool(self.paths.ledger_spool), lambda: self.database.is_ready
        )
        self.sums = LedgerSums(self.database)
        self.rollups = Rollups(
            open_rollups(context.request_log_url, self.instance, merged), self.log_store, self.aggregates
        )
        self.live = Live()
        self.ingest = Ingest(
            self.paths,
            self.log_store,
            self.aggregates,
            feed=self.feed,
            rollups=self.rollups,
            live=self.live,
            event_fd=context.record_event_fd,
        )
        self.contents = ContentFeed(self.paths.runtime_dir, self.log_store)
        self.periods = Periods(self.arena)
        self.telling = Telling(self._tapped, self.instance)
        self.adopted = asyncio.Event()
        self.wanted = asyncio.Event()
        """Somebody asks for the admin API, or it has an address of its own."""
        self.stop = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def serve(self) -> int:
        loop = asyncio.get_running_loop()
        configuration = Configuration(
            self.context, self.arena, self._adopted, DatabaseEntities(self.database, self.keeper)
        )
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up, configuration)
        reports: dict[int, Health] = {}
        channel = ChannelServer(
            self.paths.workers_socket,
            configuration.hello,
            on_health=lambda report: reports.update({report.index: report}),
            on_traces=lambda traces: self.telling.parents.put(traces.carried),
        )
        configuration.server = channel
        # Records first: they have been waiting for as long as there was no control process.
        self.ingest.start()
        await channel.start()
        self._background(configuration.watch(), "configuration")
        self._background(self.periods.watch(configuration.building), "periods")
        self._background(self._tend(), "log lines")
        self._background(self.telling.run(), "telemetry")
        self._background(self._maintain(), "maintenance")
        self._background(self._fill_rollups(), "roll-ups")
        self._background(self.sums.run(), "sums of the ledger")
        self._background(self._note(configuration), "database")
        self._background(self._fill(configuration), "budgets")
        lists = ModelLists(lambda: configuration.snapshot, configuration.take_lists)
        self._background(lists.run(), "model lists")
        alerting = Alerting(self.arena, self.aggregates, configuration, self.database, self.instance)
        alerting.listeners.append(partial(self.live.tell, "alert"))
        self._background(alerting.run(), "alerts")
        admin = asyncio.create_task(self._serve_admin(configuration, channel, reports, alerting), name="admin")
        try:
            await self._until_stopped(admin)
        finally:
            log.debug("control is stopping")
            self.stop.set()
            self.live.close()
            await admin
            for task in self.tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await configuration.close()
            await channel.close()
            self.sums.close()
            await asyncio.to_thread(self.ingest.stop)
            await asyncio.to_thread(self.telling.close)
            self.rollups.store.close()
            await asyncio.to_thread(self.contents.stop)
            self.log_store.close()
            self.accounts.close()
            self.database.close()
            self.arena.close()
        return 0

    def _tapped(self, taps: tuple[Tap, ...]) -> None:
        self.ingest.taps = taps

    def _hang_up(self, configuration: Configuration) -> None:
        configuration.request_reload()
        self.telling.access_log.reopen()

    async def _until_stopped(self, admin: asyncio.Task[None]) -> None:
        stopped = asyncio.create_task(self.stop.wait())
        try:
            while not stopped.done():
                # Tasks are added while it runs; none of them ends by itself, so an ended one is a fault: let it be
                # known and leave the rest to a fresh process.
                ended, _ = await asyncio.wait(
                    [admin, stopped, *self.tasks], timeout=1, return_when=asyncio.FIRST_COMPLETED
                )
                for task in ended - {stopped}:
                    task.result()
                    return
        finally:
            stopped.cancel()

    def _background(self, work: Coroutine[None, None, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    def _adopted(self, configuration: Configuration) -> None:
        """A configuration was taken over: its names label what is counted, its settings hold for the logs."""
        settings = configuration.snapshot.settings
        logs.follow(self.context.log_level, settings.log_level, settings.log_format, "control")
        self.aggregates.rename(configuration.names)
        self.telling.follow(configuration)
        self.periods.zones = configuration.snapshot.time_zones
        if configuration.config is not None:
            said = defaults("log.rollups")
            rollups = configuration.config.log.rollups
            self.rollups.limits = RollupLimits(
                float(said["minutes"] if rollups.minutes is None else rollups.minutes),
                float(said["hours"] if rollups.hours is None else rollups.hours),
            )
            config = configuration.config
            self.log_store.limits = limits_of(config)
            self.ingest.choice = choice_of(config)
            self.contents.redactor = redactor_of(config)
            # Not before it is known what is to be blotted out.
            self.contents.start()
        self.live.tell("config", {"version": configuration.snapshot.version})
        self.adopted.set()
        if settings.admin_listen:
            self.wanted.set()

    async def _note(self, configuration: Configuration) -> None:
        """Keep the control database, on a thread: it may have to be migrated first, its server may be away, and every
        note waits for the disk."""
        configuration.remember(await asyncio.to_thread(self.database.open))
        self.database.tried.set()
        noted = True
        while True:
            while not self.database.is_ready:
                await asyncio.sleep(DATABASE_S)
                if names := await asyncio.to_thread(self.database.open):
                    configuration.remember(names)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.adopted.wait(), None if noted else NOTE_S)
            self.adopted.clear()
            noted = await asyncio.to_thread(
                self.database.note, configuration.names, configuration.snapshot, configuration.source
            )

    async def _fill(self, configuration: Configuration) -> None:
        """Where the boot could not read the ledger, read it as soon as that is possible."""
        while True:
            since_us = configuration.snapshot.unknown_before_us
            # What waited in rings goes through the spool as long as the ledger cannot be had.
            if since_us and self.database.is_ready and not self.feed.waiting_bytes:
                try:
                    await configuration.settle_spent(partial(self._refill, since_us))
                except StoreUnavailable as error:
                    log.warning("what budgets have spent is not known yet: %s", error)
            await asyncio.sleep(FILL_S)

    def _refill(self, until_us: int, plan: Plan) -> None:
        if not self.arena.filled:
            filled = refill(self.arena, plan, self.database.ledger, until_us=until_us)
            self.arena.set_filled()
            log.info("%d limits go on with what was spent before the start", filled)

    async def _fill_rollups(self) -> None:
        """What a predecessor left out, or a program that knew no roll-ups, is added from the log."""
        while True:
            await asyncio.sleep(FILL_S)
            with contextlib.suppress(StoreUnavailable):
                while self.rollups.filling and await asyncio.to_thread(self.rollups.fill):
                    await asyncio.sleep(FILL_PAUSE_S)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            logs.tend()

    async def _maintain(self) -> None:
        indexing = ThreadPoolExecutor(1, "indexing", partial(give_way, INDEXING_NICENESS))
        while True:
            await asyncio.sleep(MAINTENANCE_S)
            try:
                await asyncio.get_running_loop().run_in_executor(indexing, self.log_store.maintain)
                await asyncio.to_thread(self._tidy)
            except (OSError, StoreUnavailable) as error:
                log.warning("maintenance: %s", error)

    def _tidy(self) -> None:
        """On a thread. An hour's segment that is indexed leaves more free memory behind than control needs."""
        self.rollups.maintain()
        if self.database.is_ready:
            self.database.config.forget_expired()
        trim_memory()

    async def _serve_admin(
        self, configuration: Configuration, channel: ChannelServer, reports: dict[int, Health], alerting: Alerting
    ) -> None:
        """Answer on the admin socket until stopped, from the first time on that somebody asks there or an address of
        its own is to be served."""
        state = ControlState(
            self.context,
            self.arena,
            configuration,
            self.aggregates,
            self.ingest,
            self.contents,
            self.log_store,
            self.database,
            channel,
            self.accounts,
            EntityDesk(self.database.config, configuration, self.pepper, self.keeper),
            alerting,
            self.rollups,
            self.live,
            self.telling,
        )
        state.reports = reports
        note = version_note()
        if note:
            state.notes.append(note)
            log.info("%s", note)
        self._background(self._tell(state), "conditions")
        with listening(self.paths.admin_socket) as sock:
            with telling(sock, self.wanted):
                await self._first(self.wanted.wait())
            # On a thread: records and configuration are looked after meanwhile.
            names = [f"gateway.control.{name}" for name in ("admin_server", "admin_listener", "app")]
            importing = asyncio.create_task(asyncio.to_thread(lambda: list(map(import_module, names))))
            await self._first(importing)
            if self.stop.is_set():
                # Whoever stops it this early is not kept waiting; the supervisor would not wait for long.
                return
            admin, listener, application = importing.result()
            # What the imports needed on the way and need no more.
            gc.collect()
            trim_memory()
            app = application.create_app(state)
            state.listener = listener.AdminListener(
                app, self.token, self.pepper, lambda: configuration.snapshot.settings, state.health
            )
            self._background(state.listener.run(), "admin address")
            await admin.serve(app, sock, self.stop)

    async def _first(self, wanted: Awaitable[object]) -> None:
        """Wait for ``wanted`` or to be stopped."""
        tasks = [asyncio.ensure_future(wanted), asyncio.create_task(self.stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    @staticmethod
    async def _tell(state: ControlState) -> None:
        told: list[str] = []
        while True:
            found = state.own_problems()
            if found != told:
                state.channel.tell(tuple(found))
                told = found
            await asyncio.sleep(TELL_S)

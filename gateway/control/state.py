"""What the control process knows, as its API and /metrics read it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from _speedups._bucket import Arena
from gateway.control.aggregate import Aggregates
from gateway.control.alerting import Alerting
from gateway.control.configuration import Configuration
from gateway.control.content_feed import ContentFeed
from gateway.control.database import ControlDatabase
from gateway.control.entity_desk import EntityDesk
from gateway.control.ingest import Ingest
from gateway.control.live import Live
from gateway.control.log_reading import LogReading
from gateway.control.rollups import Rollups
from gateway.control.telling import Telling
from gateway.operators.accounts import Accounts
from gateway.processes.channel import ChannelServer, Health
from gateway.processes.context import ControlContext
from gateway.stores.protocols import LogStore, StoreStatus

if TYPE_CHECKING:
    from gateway.control.admin_listener import AdminListener
    from gateway.control.key_trial import Trials

DEAD_AFTER_NS = 10_000_000_000
"""A worker beats every 250 ms; the supervisor ends one that is silent for this long."""

STATUS_KEPT_S = 1.0
"""The log's status lists a directory: one look a second is enough for however many ask."""

MIGRATION_WITHIN_S = 30.0
"""How long after the start of this process requests to /api wait for the database to be migrated or found unusable;
from then on they are told that it cannot be used. A new installation takes half a second."""

_STATES = {0: "starting", 1: "serving", 2: "draining"}


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker as seen from here."""

    index: int
    epoch: int
    pid: int
    state: str
    """``starting``, ``serving``, ``draining`` or ``dead``."""
    in_flight: int
    version: int | None
    """Snapshot it has confirmed; None while it is not connected."""
    report: Health | None
    """Its last report, if it has sent one in this life."""


class ControlState:
    """Read-only view over the parts of the control process."""

    def __init__(
        self,
        context: ControlContext,
        arena: Arena,
        configuration: Configuration,
        aggregates: Aggregates,
        ingest: Ingest,
        contents: ContentFeed,
        log_store: LogStore,
        database: ControlDatabase,
        channel: ChannelServer,
        accounts: Accounts,
        desk: EntityDesk,
        alerting: Alerting,
        rollups: Rollups,
        live: Live,
        telling: Telling,
    ) -> None:
        self.context = context
        self.arena = arena
        self.configuration = configuration
        self.aggregates = aggregates
        self.ingest = ingest
        self.contents = contents
        self.log_store = log_store
        self.reading = LogReading(log_store)
        self.database = database
        self.channel = channel
        self.accounts = accounts
        self.desk = desk
        self.alerting = alerting
        self.rollups = rollups
        self.live = live
        self.telling = telling
        self.started_s = time.time()
        self._migrated_by = time.monotonic() + MIGRATION_WITHIN_S
        self.reports: dict[int, Health] = {}
        self.notes: list[str] = []
        """Remarks for readiness that do not change (control database, SQLite's version)."""
        self.listener: AdminListener | None = None
        self.trials: Trials | None = None
        """From the first trial of a provider's key on."""
        self._log_status: tuple[float, StoreStatus] | None = None

    def workers(self) -> list[WorkerState]:
        now_ns = time.monotonic_ns()
        found = []
        for index in range(self.context.workers):
            epoch, pid, beat_ns, state, in_flight = self.arena.status(self.context.first_place + index)
            alive = beat_ns and now_ns - beat_ns < DEAD_AFTER_NS
            report = self.reports.get(index)
            found.append(
                WorkerState(
                    index,
                    epoch,
                    pid,
                    _STATES.get(state, str(state)) if alive else "dead",
                    in_flight if alive else 0,
                    self.channel.versions.get(index),
                    report if report is not None and report.epoch == epoch else None,
                )
            )
        return found

    def in_flight(self) -> int:
        """Requests under way, without those through which somebody watches this."""
        watching = 0 if self.configuration.snapshot.settings.admin_listen else self.live.listeners
        return max(0, sum(worker.in_flight for worker in self.workers()) - watching)

    def processes(self) -> Iterator[tuple[str, int]]:
        """(name, pid) of the gateway's processes."""
        yield "supervisor", self.context.supervisor_pid
        yield "control", os.getpid()
        for worker in self.workers():
            if worker.pid and worker.state != "dead":
                yield f"worker-{worker.index}", worker.pid

    def log_status(self) -> StoreStatus:
        now = time.monotonic()
        if self._log_status is None or now - self._log_status[0] > STATUS_KEPT_S:
            self._log_status = (now, self.log_store.status())
        return self._log_status[1]

    def key_health(self) -> Iterator[tuple[str, str, bool]]:
        """(provider, key, usable) of every provider key."""
        now_ns = time.monotonic_ns()
        for provider in self.configuration.snapshot.providers.values():
            for key in provider.keys:
                cooling = key.health_slot >= 0 and self.arena.used(key.health_slot, now_ns) > 0
                yield provider.name, key.name, key.enabled and not cooling

    async def database_tried(self) -> None:
        """Wait, though not for long, until the database was opened or could not be."""
        if not self.database.tried.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.database.tried.wait(), self._migrated_by - time.monotonic())

    def uptime_s(self) -> float:
        return time.time() - self.started_s

    def own_problems(self) -> list[str]:
        """What keeps the control process from doing its work; empty when all is well. Shown on /readyz: no paths."""
        found = []
        status = self.log_status()
        if not status.ok:
            found.append(status.problem)
        elif self.ingest.blocked:
            found.append("records are not being stored")
        if self.database.problem:
            found.append(self.database.problem)
        if self.listener is not None and self.listener.problem:
            found.append(self.listener.problem)
        if problem := self.telling.access_log.problem:
            found.append(problem)
        if left_out := len(self.configuration.left_out):
            found.append(f"{left_out} entities of the database are not in force: /api/config names them")
        if self.configuration.snapshot.unknown_before_us:
            found.append("what budgets have spent is not known yet: keys that have one are refused")
        if not self.configuration.last.ok:
            found.append("the configuration file has a mistake; an earlier configuration is in force")
        return found

    def health(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and body for ``/livez`` and ``/readyz`` where they are asked of this process: alive is a gateway of
        which some worker gives signs of life, ready one of which some worker serves. The bodies are a worker's own."""
        states = [worker.state for worker in self.workers()]
        if path == "/livez":
            alive = any(state != "dead" for state in states)
            return (200, {"status": "alive"}) if alive else (503, {"status": "dead"})
        problems = self.problems()
        body: dict[str, object] = {
            "status": "degraded" if problems else "ready",
            "snapshot": self.configuration.snapshot.version,
        }
        if problems:
            body["reason"] = "; ".join(problems)
        return 200 if "serving" in states else 503, body

    def problems(self) -> list[str]:
        """Why readiness is degraded, workers included."""
        found = self.own_problems()
        workers = self.workers()
        serving = sum(worker.state == "serving" for worker in workers)
        if serving < len(workers):
            found.append(f"{serving} of {len(workers)} workers serve")
        version = self.configuration.snapshot.version
        behind = [str(w.index) for w in workers if w.version is not None and w.version < version]
        if behind:
            found.append(f"workers {', '.join(behind)} have not confirmed configuration version {version}")
        return found

"""Alerts in the control process: looked for every second, kept in the control database, sent to webhooks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from _speedups._bucket import Arena
from gateway.alerts.alert import Alert, Delivery, Finding, Kept, at
from gateway.alerts.book import Book
from gateway.alerts.budgets import Budgets
from gateway.alerts.deliveries import Deliveries
from gateway.alerts.providers import Down, failing
from gateway.alerts.tallies import Tallies
from gateway.alerts.webhook import Sent, body_of, send
from gateway.config.alerts import Rules, WebhookEntry, rules_of
from gateway.control.aggregate import Aggregates
from gateway.control.configuration import Configuration
from gateway.control.database import ControlDatabase
from gateway.stores.entities import new_id
from gateway.stores.protocols import NotFound, StoreUnavailable
from gateway.stores.sql_alerts import SqlAlerts
from gateway.upstream.dial import Dialer

log = logging.getLogger("microgate.alerts")

LOOK_S = 1.0
STEP_S = 0.25
"""How often it is looked whether a delivery is due, or the configuration has changed."""
DATABASE_WITHIN_S = 30.0
"""How long what was raised before is waited for; without it alerts are raised anew."""
MOST_SHOWN = 100
"""Alerts that are over, in an answer."""


class Alerting:
    """One per control process, on its loop; what it reads of arena and counters it reads on a thread."""

    def __init__(
        self,
        arena: Arena,
        aggregates: Aggregates,
        configuration: Configuration,
        database: ControlDatabase,
        instance: str,
    ) -> None:
        self._configuration = configuration
        self._database = database
        self._store = SqlAlerts(database.database, instance)
        self._tallies = Tallies(aggregates)
        self.budgets = Budgets(arena)
        self._down = Down(arena)
        self._dialer = Dialer(asyncio.get_running_loop())
        self.book = Book()
        self.deliveries = Deliveries(self._dialer, self._note)
        self._loaded = False
        self._gone: list[str] = []
        self.listeners: list[Callable[[Alert], None]] = []
        """Told of every alert that is raised or over, on the loop."""

    @property
    def rules(self) -> Rules:
        """In force; the defaults as long as a configuration without its file is."""
        config, file = self._configuration.config, self._configuration.file_config
        if config is None:
            return Rules()
        return rules_of(config.alerts, from_file=file is not None and file.alerts.webhooks is not None)

    async def run(self) -> None:
        """Until cancelled."""
        began = looked = time.monotonic()
        try:
            while True:
                await asyncio.sleep(STEP_S)
                now = time.monotonic()
                if not self._loaded:
                    await self.load()
                if not self._loaded and now - began < DATABASE_WITHIN_S:
                    continue
                if now - looked >= LOOK_S:
                    looked = now
                    await self.look()
                # Stored first: whatever was sent is known to a successor, which sends it again at worst.
                await self.save()
                self.deliveries.start_due(self.book.every(), self.rules.webhooks, time.time())
        finally:
            await self.deliveries.close()

    # -- looking

    async def look(self) -> None:
        """Judge what there is now."""
        rules, now_s = self.rules, time.time()
        findings, known = await asyncio.to_thread(self._findings, rules, now_s)
        told = self.book.take(findings, rules, now_s)
        told += self.book.end([key for key in self.book.active if key not in known], rules, now_s)
        self._gone += self.book.forget(now_s)
        for alert in told:
            state = "is over" if alert.until is not None else alert.level
            log.warning("alert (%s): %s", state, alert.message)
            for listener in self.listeners:
                listener(alert)

    def _findings(self, rules: Rules, now_s: float) -> tuple[list[Finding], set[str]]:
        """What a look finds, and every key that there can be."""
        config, snapshot = self._configuration.config, self._configuration.snapshot
        providers = snapshot.providers
        window_s = float(rules.error_rate.window)
        self._tallies.look(now_s, window_s)
        found: list[Finding] = []
        known: set[str] = set()
        if rules.provider_down:
            found += self._down.look(providers, self._tallies, rules.provider_down, now_s)
        if rules.error_rate.share:
            found += failing(providers, self._tallies, rules.error_rate, now_s)
        if config is None:
            # Budgets are not known by name while the sealed copy is in force: what was raised stays.
            known.update(key for key in self.book.active if key.startswith("budget:"))
        else:
            self.budgets.follow(config)
            if not snapshot.unknown_before_us:
                found += self.budgets.look(rules.budgets, self._tallies.refused, now_s)
            known.update(self.budgets.known(rules.budgets) if self.book.active else ())
        known.update(each.key for each in found)
        return found, known

    # -- keeping

    def _note(self, kept: Kept) -> None:
        self.book.changed[kept.alert.id] = kept

    async def load(self) -> None:
        """What an earlier life has raised; nothing while the database cannot be asked."""
        if not self._database.is_ready:
            return
        try:
            bodies = await asyncio.to_thread(self._store.load)
        except StoreUnavailable as error:
            log.debug("alerts of before: %s", error)
            return
        self._loaded = True
        for body in bodies:
            try:
                self.book.adopt([msgspec.json.decode(body, type=Kept)])
            except msgspec.ValidationError as error:
                log.warning("an alert of another version is left alone: %s", error)

    async def save(self) -> None:
        """Store what has changed; at the next time when the database cannot be asked."""
        if not self._loaded or not (self.book.changed or self._gone):
            return
        changed, gone = dict(self.book.changed), list(self._gone)
        rows = [
            (alert_id, int(kept.alert.since.timestamp() * 1e6), msgspec.json.encode(kept))
            for alert_id, kept in changed.items()
        ]
        self.book.changed.clear()
        try:
            await asyncio.to_thread(self._store.save, rows, gone)
        except StoreUnavailable as error:
            log.debug("alerts could not be stored: %s", error)
            self.book.changed = {**changed, **self.book.changed}
            return
        del self._gone[: len(gone)]

    # -- for the API

    def active(self) -> Sequence[Alert]:
        """Newest first."""
        return [kept.alert for kept in reversed(self.book.active.values())]

    def recent(self) -> Sequence[Alert]:
        """Those that are over, newest first."""
        return [kept.alert for kept in list(reversed(self.book.over.values()))[:MOST_SHOWN]]

    async def test(self, name: str) -> Sent:
        """Send an alert that is none, once. Raises NotFound."""
        hook = next((each for each in self.rules.webhooks if each.name == name), None)
        if hook is None:
            raise NotFound("no such webhook")
        alert, delivery = example(hook)
        return await send(self._dialer, hook, body_of(alert, delivery), delivery)


def example(hook: WebhookEntry) -> tuple[Alert, Delivery]:
    """What a test of a webhook sends."""
    alert = Alert(
        id=new_id(), kind="budget", subject="gateway", message="This is a test: nothing is wrong.", level="warning",
        since=at(time.time()),
    )  # fmt: skip
    return alert, Delivery(id=new_id(), webhook=hook.name, event="test")

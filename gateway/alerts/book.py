"""Which alerts are raised, and which of them are over: each once, and none again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.alerts.alert import Alert, Delivery, Event, Finding, Kept, at
from gateway.config.alerts import Rules
from gateway.stores.entities import new_id

MOST_ACTIVE = 1000
"""Whoever has 100,000 budgets that end together reads no more of them."""
MOST_RECENT = 500
"""Alerts that are over and still known."""
LATE_S = 5.0
"""Clocks of a period and of the wall may differ by so much at its end."""


class Book:
    """The alerts of one gateway. Not aware of stores and webhooks: what has changed is in ``changed``."""

    def __init__(self, kept: Iterable[Kept] = ()) -> None:
        self.active: dict[str, Kept] = {}
        """By key."""
        self.over: dict[str, Kept] = {}
        """By the alert's id, the one that ended last at the end."""
        self.changed: dict[str, Kept] = {}
        """By the alert's id: to be stored."""
        self.suppressed = 0
        """Not raised because there were too many."""
        self._falling: set[str] = set()
        self._quiet: dict[tuple[str, int], float] = {}
        self.adopt(kept)

    def adopt(self, kept: Iterable[Kept]) -> None:
        """Alerts of an earlier life, oldest first."""
        for each in kept:
            if each.alert.until is None and each.key not in self.active:
                self.active[each.key] = each
            else:
                self.over[each.alert.id] = each
            self._keep_quiet(each)

    def every(self) -> Iterator[Kept]:
        yield from self.over.values()
        yield from self.active.values()

    def take(self, findings: Iterable[Finding], rules: Rules, now_s: float) -> list[Alert]:
        """Judge; the alerts that were raised or are over by it, as they are now."""
        told = []
        for found in findings:
            kept = self.active.get(found.key)
            if kept is not None and (self._has_fallen(found) or self._is_past(kept, now_s)):
                told.append(self._resolve(kept, rules, now_s))
                kept = None
            if kept is None and found.holds and self._may_raise(found, now_s):
                told.append(self._raise(found, rules, now_s))
        return told

    def end(self, keys: Iterable[str], rules: Rules, now_s: float) -> list[Alert]:
        """Nobody asks for these any more: their rule, or what they are about, is gone."""
        return [self._resolve(self.active[key], rules, now_s) for key in keys]

    def _has_fallen(self, found: Finding) -> bool:
        """Of a budget at two looks: a figure that changes while it is read may be too low once."""
        if found.holds is not False:
            self._falling.discard(found.key)
            return False
        if found.key in self._falling or found.kind != "budget":
            return True
        self._falling.add(found.key)
        return False

    @staticmethod
    def _is_past(kept: Kept, now_s: float) -> bool:
        return kept.anew and now_s >= kept.quiet_until_s + LATE_S

    def _may_raise(self, found: Finding, now_s: float) -> bool:
        if now_s < self._quiet.get((found.key, found.measure), 0):
            return False
        if len(self.active) >= MOST_ACTIVE:
            self.suppressed += 1
            return False
        return True

    def _raise(self, found: Finding, rules: Rules, now_s: float) -> Alert:
        alert = Alert(
            id=new_id(),
            kind=found.kind,
            subject=found.subject,
            message=found.message,
            level=found.level,
            since=at(now_s),
            value=round(found.value, 6),
            threshold=found.threshold,
        )
        kept = Kept(
            key=found.key, alert=alert, quiet_until_s=found.quiet_until_s, measure=found.measure, anew=found.anew
        )
        self.active[found.key] = kept
        self._keep_quiet(kept)
        self._send(kept, "raised", rules, now_s)
        return alert

    def _resolve(self, kept: Kept, rules: Rules, now_s: float) -> Alert:
        del self.active[kept.key]
        self._falling.discard(kept.key)
        kept.alert.until = at(now_s)
        self.over[kept.alert.id] = kept
        self._send(kept, "resolved", rules, now_s)
        return kept.alert

    def _send(self, kept: Kept, event: Event, rules: Rules, now_s: float) -> None:
        alert = kept.alert
        alert.deliveries += [
            Delivery(id=new_id(), webhook=hook.name, event=event, next_at=at(now_s))
            for hook in rules.webhooks
            if hook.enabled
            and (not hook.kinds or alert.kind in hook.kinds)
            and (not hook.levels or alert.level in hook.levels)
        ]
        self.changed[alert.id] = kept

    def _keep_quiet(self, kept: Kept) -> None:
        if kept.quiet_until_s:
            self._quiet[kept.key, kept.measure] = kept.quiet_until_s

    def forget(self, now_s: float) -> list[str]:
        """Ids of alerts that are over for long and decide nothing any more."""
        spare = [
            alert_id
            for alert_id, kept in self.over.items()
            if kept.quiet_until_s <= now_s and all(each.status != "pending" for each in kept.alert.deliveries)
        ]
        gone = spare[: max(0, len(self.over) - MOST_RECENT)]
        for alert_id in gone:
            kept = self.over.pop(alert_id)
            self.changed.pop(alert_id, None)
            if self._quiet.get((kept.key, kept.measure), 0) <= now_s:
                self._quiet.pop((kept.key, kept.measure), None)
        return gone

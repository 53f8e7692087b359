"""Which providers answer nobody, and of which too many requests fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from _speedups._bucket import Arena
from gateway.alerts.alert import Finding
from gateway.alerts.tallies import ALL, Tallies
from gateway.config.alerts import ErrorRate
from gateway.snapshot.model import Provider

CLEAR = 0.8
"""The share of failures must fall to this part of the threshold before the alert is over."""
IDLE_S = 900.0
"""A provider that nobody asks, and that rests no more, is down no longer after this time: nothing else would end it."""


class Down:
    """Since when a provider has been in trouble without a single good answer."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._since: dict[str, float] = {}
        self._troubled: dict[str, float] = {}
        """Provider -> when it was last seen at rest."""
        self._good: dict[str, int] = {}

    def look(
        self, providers: Mapping[str, Provider], tallies: Tallies, after_s: float, now_s: float
    ) -> Iterator[Finding]:
        """One finding for each provider that is switched on."""
        now_ns = time.monotonic_ns()
        for name, provider in providers.items():
            if not is_watched(provider):
                continue
            good = tallies.now[name].good if name in tallies.now else 0
            answered = good > self._good.get(name, good)
            self._good[name] = good
            rests = self._rests(provider, now_ns)
            if rests:
                self._troubled[name] = now_s
            # What an earlier life had raised counts from the first look on.
            idle = now_s - self._troubled.setdefault(name, now_s) >= IDLE_S
            if answered or idle:
                self._since.pop(name, None)
            elif rests:
                self._since.setdefault(name, now_s)
            since = self._since.get(name)
            yield Finding(
                key=f"provider_down:{provider.id}",
                kind="provider_down",
                subject=f"provider/{name}",
                level="critical",
                holds=_judged(since is not None and now_s - since >= after_s, answered or idle),
                message=f"Provider {name} has answered nobody for {after_s:g} s, and rests",
                value=0.0 if since is None else now_s - since,
                threshold=after_s,
            )

    def _rests(self, provider: Provider, now_ns: int) -> bool:
        """Whether no key of it can be chosen, or a model of it is out."""
        keys = [key for key in provider.keys if key.enabled]
        if keys and all(key.health_slot >= 0 and self._arena.used(key.health_slot, now_ns) > 0 for key in keys):
            return True
        return any(slot >= 0 and self._arena.used(slot, now_ns) > 0 for slot in provider.deployments.values())


def _judged(holds: bool, over: bool) -> bool | None:
    """Neither: it stays what it was."""
    return True if holds else False if over else None


def is_watched(provider: Provider) -> bool:
    """Whether it can be down: it is switched on, and so is a key of it, if it has any."""
    return provider.enabled and (not provider.keys or any(key.enabled for key in provider.keys))


def failing(providers: Mapping[str, Provider], tallies: Tallies, rule: ErrorRate, now_s: float) -> Iterator[Finding]:
    """One finding for each provider, of attempts, and one for all requests."""
    window_s = float(rule.window)
    for name in (ALL, *(name for name, provider in providers.items() if is_watched(provider))):
        tally, whole = tallies.within(name, window_s)
        share = tally.failed / tally.requests if tally.requests else 0.0
        holds: bool | None = None
        if tally.requests >= rule.requests:
            holds = True if share >= rule.share else False if share < rule.share * CLEAR else None
        elif whole:
            # Too few to say that they fail: then it is not said any longer either.
            holds = False
        what = f"attempts at provider {name}" if name else "requests"
        yield Finding(
            key=f"error_rate:{providers[name].id if name else ''}",
            kind="error_rate",
            subject=f"provider/{name}" if name else "gateway",
            level="warning" if name else "critical",
            holds=holds,
            message=f"{share * 100:.0f} % of {tally.requests} {what} failed within {window_s:g} s",
            value=share,
            threshold=rule.share,
            quiet_until_s=now_s + window_s,
        )

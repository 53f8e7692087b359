"""How provider keys and deployments stand: what all workers share of them, as operators see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

import msgspec

from _speedups._bucket import Arena
from _speedups._health import DUE, OUT, Health
from gateway.control.aggregate import Aggregates
from gateway.control.deployment_counts import DeploymentCounts
from gateway.control.health_copy import upstreams_of
from gateway.serving import Upstream
from gateway.snapshot.model import Provider, ProviderKey, Snapshot

State = Literal["well", "resting", "ejected", "due", "disabled"]
NEVER_NS = 1 << 62
"""A key that is out for so long comes back with a change of its value alone."""


class Deployment(msgspec.Struct, kw_only=True):
    """One key of a provider (``model`` null), or one model at it (``key`` null)."""

    provider: str
    provider_id: str
    key: str | None
    model: str | None
    """Empty: all models together that no configuration names."""
    usable: bool
    """It can be chosen now."""
    state: State
    why: str
    """Empty when it is well."""
    until: dt.datetime | None
    """When it is asked again."""
    weight: float | None
    """Of a key."""
    in_flight: int | None
    """Attempts under way, of all workers; of a model."""
    failures: int | None
    """In a row; of a model, like the next two."""
    ejections: int | None
    """Those that are remembered: each rests longer than the one before."""
    ewma_ms: float | None
    """Usual time to the first byte; null: nothing is known, or none was asked lately."""
    requests: int
    """Of a key: attempts with it; of a model: requests of callers whose last attempt it was. Since the control process
    began."""
    errors: int
    """Those of them that failed, and not by the caller's fault."""


class Deployments(msgspec.Struct):
    deployments: list[Deployment]


def standing(
    snapshot: Snapshot, arena: Arena, aggregates: Aggregates, directory: str, now_ns: int, wall_s: float
) -> list[Deployment]:
    """In the order of the configuration, the keys of a provider before its models. Blocks on files. Raises OSError."""
    found: list[Deployment] = []
    counts = DeploymentCounts(aggregates)
    with upstreams_of(snapshot, arena, directory) as upstreams:
        for name, spec in snapshot.providers.items():
            upstream = upstreams.get(name)
            found += (_key(spec, key, at, upstream, counts, now_ns, wall_s) for at, key in enumerate(spec.keys))
            if upstream is not None:
                found += _models(spec, upstream, counts, now_ns, wall_s)
    return found


def _key(
    spec: Provider,
    key: ProviderKey,
    at: int,
    upstream: Upstream | None,
    counts: DeploymentCounts,
    now_ns: int,
    wall_s: float,
) -> Deployment:
    state: State = "well"
    why, until = "", None
    if upstream is None or not key.enabled:
        state, why = "disabled", "the provider is switched off" if upstream is None else "the key is switched off"
    elif not upstream.keys.usable(at, now_ns):
        state, why = "resting", "it was limited or refused by the provider"
        ready_ns = upstream.keys.next_ready_ns(1 << at, now_ns)
        until = _time(wall_s, ready_ns - now_ns) if 0 <= ready_ns - now_ns < NEVER_NS else None
    requests, errors = counts.of_key(spec.name, key.name)
    return Deployment(
        provider=spec.name, provider_id=spec.id, key=key.name, model=None, usable=state == "well", state=state, why=why,
        until=until, weight=key.weight, in_flight=None, failures=None, ejections=None, ewma_ms=None,
        requests=requests, errors=errors,
    )  # fmt: skip


def _models(
    spec: Provider, upstream: Upstream, counts: DeploymentCounts, now_ns: int, wall_s: float
) -> Iterator[Deployment]:
    for model, health in upstream.healths.items():
        failures, ejections, left_ns = health.figures(now_ns)
        state, why = _judged(health, failures, now_ns)
        latency_ns = health.latency_ns(now_ns)
        requests, errors = counts.of_model(spec.name, model, upstream.healths)
        yield Deployment(
            provider=spec.name, provider_id=spec.id, key=None, model=model, usable=state != "ejected", state=state,
            why=why, until=_time(wall_s, left_ns) if left_ns else None, weight=None, in_flight=health.busy(),
            failures=failures, ejections=ejections, ewma_ms=round(latency_ns / 1e6, 1) if latency_ns else None,
            requests=requests, errors=errors,
        )  # fmt: skip


def _judged(health: Health, failures: int, now_ns: int) -> tuple[State, str]:
    match health.state(now_ns):
        case found if found == OUT:
            return "ejected", f"{failures} failures in a row" if failures else "most attempts failed"
        case found if found == DUE:
            return "due", "its rest is over: the next request finds out whether it answers again"
    return "well", ""


def _time(wall_s: float, left_ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(wall_s + left_ns / 1e9, dt.UTC).replace(microsecond=0)

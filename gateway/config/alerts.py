"""The section ``alerts``: what operators are told of, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.addresses import judge_url
from gateway.config.names import Name
from gateway.config.problems import Problem
from gateway.config.references import Secret
from gateway.config.units import Duration

AlertKind = Literal["budget", "provider_down", "error_rate"]
AlertLevel = Literal["warning", "critical"]
MOST_WEBHOOKS = 20
LEAST_SECRET = 16
"""Characters: 96 bits where they are drawn at random from 64."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class WebhookEntry(Entry, frozen=True):
    """Where alerts are sent: one POST of JSON each, signed."""

    name: Name
    url: Annotated[Secret, Meta(description="Whatever stands in it is treated as a secret: its query is one often.")]
    secret: Annotated[Secret, Meta(description="With which each delivery is signed; 16 characters at least.")]
    kinds: Annotated[list[AlertKind], Meta(description="Alerts that it is told of. Empty: all.")] = []
    levels: Annotated[list[AlertLevel], Meta(description="The same by level.")] = []
    enabled: bool = True
    allow_private: Annotated[
        bool,
        Meta(
            description="Of one made through the API: an admin has confirmed that it lies in a private network, or is "
            "told without TLS. What the file names may do so anyway."
        ),
    ] = False


class ErrorRateEntry(Entry, frozen=True):
    """When too many requests fail, of one provider or of all."""

    share: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Of the requests; 0: never.")] = None
    window: Duration | None = None
    requests: Annotated[
        Annotated[int, Meta(ge=1, le=10**9)] | None, Meta(description="With fewer in the window nothing is said.")
    ] = None


class AlertsEntry(Entry, frozen=True):
    """What operators are told of. Alerts are shown in the interface also where no webhook is given."""

    webhooks: Annotated[list[WebhookEntry], Meta(max_length=MOST_WEBHOOKS)] | None = None
    budgets: Annotated[
        Annotated[list[Annotated[float, Meta(gt=0, le=10)]], Meta(max_length=10)] | None,
        Meta(description="Shares of any budget at which it is told; from 1 on it is critical."),
    ] = None
    provider_down: Annotated[
        Duration | None,
        Meta(description="How long a provider answers nobody, and rests, before that is told; 0: never."),
    ] = None
    error_rate: ErrorRateEntry | None = None


class ErrorRate(msgspec.Struct, frozen=True, kw_only=True):
    """``ErrorRateEntry`` with its defaults."""

    share: float = 0.5
    window: float = 300.0
    requests: int = 20


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """``AlertsEntry`` with its defaults."""

    webhooks: tuple[WebhookEntry, ...] = ()
    budgets: tuple[float, ...] = (0.8, 1.0)
    provider_down: float = 60.0
    error_rate: ErrorRate = ErrorRate()


def rules_of(entry: AlertsEntry, *, from_file: bool) -> Rules:
    """What holds. ``from_file``: its webhooks stand in the operator's own file."""
    default = Rules()
    rate = entry.error_rate or ErrorRateEntry()
    given = {name: value for name in ErrorRate.__struct_fields__ if (value := getattr(rate, name)) is not None}
    hooks = entry.webhooks or []
    if from_file:
        hooks = [msgspec.structs.replace(each, allow_private=True) for each in hooks]
    return Rules(
        webhooks=tuple(hooks),
        budgets=default.budgets if entry.budgets is None else tuple(sorted(set(entry.budgets))),
        provider_down=default.provider_down if entry.provider_down is None else float(entry.provider_down),
        error_rate=msgspec.structs.replace(default.error_rate, **given),
    )


def judge(entry: AlertsEntry) -> Iterator[Problem]:
    """What is wrong with the section, wherever it stands."""
    named = Counter(each.name for each in entry.webhooks or ())
    for i, each in enumerate(entry.webhooks or ()):
        path = ("alerts", "webhooks", i)
        if named[each.name] > 1:
            yield Problem((*path, "name"), "another webhook has this name")
        if reason := judge_target(each.url.reveal(), allow_private=True):
            yield Problem((*path, "url"), reason)
        if len(each.secret.reveal()) < LEAST_SECRET:
            yield Problem((*path, "secret"), f"at least {LEAST_SECRET} characters")
    window = entry.error_rate.window if entry.error_rate is not None else None
    if window is not None and not 10 <= window <= 86400:
        yield Problem(("alerts", "error_rate", "window"), "from 10s to 24h")


def judge_target(url: str, *, allow_private: bool) -> str | None:
    """Why a webhook must not be sent there; a query is allowed, which a provider's address has none of."""
    base, _, query = url.partition("?")
    if "#" in query or not query.isprintable() or not query.isascii() or " " in query:
        return "not a plain http or https URL"
    return judge_url(base, allow_private)


def unconfirmed(webhooks: Sequence[WebhookEntry]) -> str:
    """Why one of these needs an admin's confirmation; empty when none does."""
    for i, each in enumerate(webhooks):
        if not each.allow_private and (reason := judge_target(each.url.reveal(), allow_private=False)):
            return f"webhooks[{i}].url: {reason}; send allow_private: true with it if it is meant"
    return ""

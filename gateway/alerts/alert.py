"""An alert, as it is kept, shown and sent."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

import msgspec

from gateway.config.alerts import AlertKind, AlertLevel

Event = Literal["raised", "resolved", "test"]
FOREVER_S = float(1 << 40)


class Delivery(msgspec.Struct, kw_only=True):
    """One event of an alert on its way to one webhook."""

    id: str
    """The same in every try: receivers tell by it what they have had."""
    webhook: str
    event: Event
    status: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    last_at: dt.datetime | None = None
    next_at: dt.datetime | None = None
    """When it is tried (again); null once it is settled."""
    error: str = ""
    """Of the last try."""


class Alert(msgspec.Struct, kw_only=True):
    """Raised, and resolved once ``until`` is given."""

    id: str
    kind: AlertKind
    subject: str
    """``virtual_key/alice``, ``provider/openai``, ``gateway``."""
    message: str
    level: AlertLevel
    since: dt.datetime
    until: dt.datetime | None = None
    value: float = 0.0
    """What was measured when it was raised: a share, or seconds."""
    threshold: float = 0.0
    """From which on it is one."""
    deliveries: list[Delivery] = []


class Kept(msgspec.Struct, kw_only=True):
    """An alert with what decides whether another one like it is raised."""

    key: str
    """What it is about: a budget and a threshold, a provider."""
    alert: Alert
    quiet_until_s: float = 0.0
    """Wall clock; until then no other one of the same key and ``measure`` is raised."""
    measure: int = 0
    """The budget's amount: a raised budget is another one."""
    anew: bool = False
    """What is counted starts from nothing at ``quiet_until_s``."""


class Finding(NamedTuple):
    """What a look at one key came to."""

    key: str
    kind: AlertKind
    subject: str
    level: AlertLevel
    holds: bool | None
    """None: between the two thresholds, or not known. Whatever it was, it stays."""
    message: str = ""
    value: float = 0.0
    threshold: float = 0.0
    quiet_until_s: float = 0.0
    measure: int = 0
    anew: bool = False


def at(seconds: float) -> dt.datetime:
    """A time of the wall clock, as it is shown."""
    return dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)

"""The sections ``customers``, ``teams`` and ``virtual_keys``: who may ask for what, and how much of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.cache import CachePolicy
from gateway.config.log import LogPolicy
from gateway.config.names import ModelName, Name
from gateway.config.references import Secret
from gateway.config.units import Money, Period

Whole = Annotated[int, Meta(ge=1, le=2**53)]
Priority = Literal["high", "normal", "low"]
TimeZone = Annotated[str, Meta(max_length=64, description="Of a period of the calendar; else the file's time_zone.")]
RouteName = Annotated[str, Meta(min_length=1, max_length=256)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16, description="The operator's own notes; shown with it, and of no effect."),
]


class LimitEntry(Entry, frozen=True):
    """One limit; exactly one of requests, tokens, input_tokens, output_tokens and concurrency."""

    requests: Whole | None = None
    tokens: Annotated[Whole | None, Meta(description="Of input and output.")] = None
    input_tokens: Whole | None = None
    output_tokens: Whole | None = None
    concurrency: Annotated[Annotated[int, Meta(ge=1, le=2**31)] | None, Meta(description="Requests under way.")] = None
    per: Annotated[Period | None, Meta(description="Length of the window, or a period of the calendar.")] = None
    window: Annotated[
        Literal["fixed", "rolling", "smooth"],
        Meta(description="fixed: starts anew; rolling: any such span; smooth: evenly spaced with a burst (GCRA)."),
    ] = "fixed"
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=2**53)] | None, Meta(description="smooth only: how many at once.")
    ] = None
    time_zone: TimeZone = ""


class BudgetEntry(Entry, frozen=True):
    """How much money may be spent."""

    usd: Annotated[Money, Meta(description="In US dollars.")]
    per: Annotated[
        Period | None, Meta(description="Length of the window, or a period of the calendar; without it, once for all.")
    ] = None
    window: Annotated[Literal["fixed", "rolling"], Meta(description="fixed: starts anew; rolling: any such span.")] = (
        "fixed"
    )
    time_zone: TimeZone = ""


class ProviderConfigEntry(Entry, frozen=True):
    """How a virtual key may use one provider."""

    provider: Name
    keys: Annotated[list[Name], Meta(description="Keys of the provider that it may use. Empty: all.")] = []
    weight: Annotated[
        Annotated[float, Meta(ge=0, le=1e6)] | None,
        Meta(description="Share among the targets of a route, in place of the target's own."),
    ] = None
    limits: Annotated[
        list[LimitEntry], Meta(description="Of what goes there: one that is used up is passed over.")
    ] = []
    budgets: list[BudgetEntry] = []


class CustomerEntry(Entry, frozen=True):
    """Whom teams and virtual keys belong to; its limits and budgets are those of all of them together."""

    limits: list[LimitEntry] = []
    budgets: list[BudgetEntry] = []
    models: Annotated[list[ModelName], Meta(description="As for a virtual key; nobody below may use more.")] = []
    routes: list[RouteName] = []
    providers: list[Name] = []
    priority: Annotated[Priority | None, Meta(description="Of those below that have none of their own.")] = None
    enabled: bool = True
    metadata: Metadata = {}
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""


class TeamEntry(CustomerEntry, frozen=True):
    """What virtual keys belong to; its limits and budgets are those of all of them together."""

    customer: Name | None = None


class VirtualKeyEntry(Entry, frozen=True):
    """A credential that callers present to the gateway."""

    name: Name
    value: Annotated[Secret | None, Meta(description="The key itself; usually env.NAME or file.PATH.")] = None
    hash: Annotated[
        Secret | None,
        Meta(
            description="Instead of a value: sha256: and the hexadecimal SHA-256 of the key, as other gateways keep it."
        ),
    ] = None
    team: Name | None = None
    customer: Annotated[Name | None, Meta(description="Of a key that belongs to no team.")] = None
    models: Annotated[
        list[ModelName],
        Meta(description="Models it may ask for, as callers write them, trailing * allowed. Empty: all."),
    ] = []
    routes: Annotated[
        list[RouteName], Meta(description="Routes it may ask for, beside the models; with neither of them: all.")
    ] = []
    providers: Annotated[
        list[Name | ProviderConfigEntry],
        Meta(description="Providers it may reach, by name or with what holds for this key there. Empty: all."),
    ] = []
    limits: list[LimitEntry] = []
    budgets: list[BudgetEntry] = []
    stateful: Annotated[
        str | None,
        Meta(
            description="provider/key: an account of its own for files, batches and stored responses, with the "
            "provider's own ids and lists."
        ),
    ] = None
    priority: Annotated[
        Priority | None,
        Meta(
            description="Who is served first, and refused last, when there is too much; high has slots of its own. "
            "Without it that of the team or customer, else normal."
        ),
    ] = None
    cache: Annotated[
        CachePolicy,
        Meta(description="read: it is answered from the cache; write: its answers are kept; on: both; off: neither."),
    ] = "on"
    log_content: Annotated[
        LogPolicy | None,
        Meta(description="What the request log keeps: off: no row; metadata: a row; full: what was said too."),
    ] = None
    enabled: bool = True
    expires: Annotated[
        Annotated[int, Meta(ge=0, le=32_503_680_000)] | None, Meta(description="Unix time from which it is refused.")
    ] = None
    metadata: Metadata = {}
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""

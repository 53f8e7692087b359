"""GET /api/usage: the ledger's sums, as ``microgate usage`` has them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.exceptions import ClientException, ServiceUnavailableException
from litestar.params import Parameter

from gateway.control.state import ControlState
from gateway.control.trail import signed, unsigned
from gateway.snapshot.model import id_hash
from gateway.stores.ledger import Usage, UsageQuery
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.usage_report import DIMENSIONS, dollars, spelled

MOST_DIMENSIONS = 4
MOST_ENTRIES = 10_000


class UsageEntry(msgspec.Struct):
    """Sums over the attempts that have ``by`` in common."""

    by: dict[str, str]
    """What was asked for in ``by`` -> its value here; empty where it has none."""
    requests: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    estimated: int
    unpriced: int
    cost_nanodollars: int
    cost_usd: str
    """The same, exactly, in dollars."""


class UsageEntries(msgspec.Struct):
    entries: list[UsageEntry]


@get("/usage", summary="What was used and what it cost")
async def usage(
    request: Request[Any, Any, Any],
    by: Annotated[str, Parameter(description="Dimensions, comma-separated; none: one sum", max_length=200)] = "",
    since: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    until: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    key: Annotated[str | None, Parameter(description="Name of a virtual key", max_length=512)] = None,
    team: Annotated[str | None, Parameter(max_length=512)] = None,
    customer: Annotated[str | None, Parameter(max_length=512)] = None,
    provider: Annotated[str | None, Parameter(max_length=512)] = None,
    model: Annotated[str | None, Parameter(description="As asked for, or as sent", max_length=512)] = None,
) -> UsageEntries:
    """Dimensions are those of `microgate usage`. Rows by time come in its order, others with what cost most first."""
    state: ControlState = request.app.state.control
    names = [name for name in by.split(",") if name]
    if len(names) > MOST_DIMENSIONS or len(set(names)) < len(names) or not DIMENSIONS.keys() >= set(names):
        raise ClientException(f"by: at most {MOST_DIMENSIONS} of {', '.join(DIMENSIONS)}")

    def named(kind: str, name: str | None) -> int | None:
        return None if name is None else _id_of(f"{kind}/{name}", state)

    query = UsageQuery(
        by=tuple(DIMENSIONS[name] for name in names),
        since_us=_microseconds(since),
        until_us=_microseconds(until),
        virtual_key=named("virtual_key", key),
        team=named("team", team),
        customer=named("customer", customer),
        provider=named("provider", provider),
        model=model,
    )
    try:
        rows = await state.reading.run(lambda: state.database.ledger.usage(query))
    except StoreUnavailable:
        raise ServiceUnavailableException("the ledger cannot be read now") from None
    if not {"hour", "day", "month"} & set(names):
        rows.sort(key=lambda row: -row.cost_nanodollars)
    if len(rows) > MOST_ENTRIES:
        raise ClientException(f"more than {MOST_ENTRIES} rows: ask for a shorter time or fewer dimensions")
    return UsageEntries([_entry(names, row, state) for row in rows])


def _entry(names: list[str], row: Usage, state: ControlState) -> UsageEntry:
    def name(kind: str, identity: int) -> str:
        known = state.configuration.names.get(unsigned(identity), "")
        return known.partition("/")[2] if known.startswith(f"{kind}/") else f"id:{unsigned(identity):016x}"

    by = {asked: spelled(DIMENSIONS[asked], value, name) for asked, value in zip(names, row.by, strict=True)}
    sums = {
        field: getattr(row, field) for field in UsageEntry.__struct_fields__ if hasattr(row, field) and field != "by"
    }
    return UsageEntry(by=by, cost_usd=dollars(row.cost_nanodollars), **sums)


def _id_of(name: str, state: ControlState) -> int:
    """A name that nothing has any more is tried as the id of a file's entity."""
    for identity, known in state.configuration.names.items():
        if known == name:
            return signed(identity)
    return signed(id_hash(f"file:{name}"))


def _microseconds(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not abs(seconds) < 1e12:
        raise ClientException("not a Unix time")
    return int(seconds * 1e6)


USAGE_HANDLERS = (usage,)

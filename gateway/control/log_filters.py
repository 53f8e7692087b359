"""The filters of the request log as the API takes them: names and words in, ``LogQuery`` out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from litestar.params import Parameter

from gateway.control.state import ControlState
from gateway.control.trail import signed
from gateway.records import CacheVerdict, ErrorKind, Kind, Outcome
from gateway.snapshot.model import id_hash
from gateway.stores.log_query import LogQuery, Term, terms_in
from providers.operations import Operation

MOST_TERMS = 16
MOST_IDS = 200
"""Entities that one word of a search may name."""
SEARCHED = frozenset(("provider", "provider_key", "virtual_key", "team", "customer", "route"))

Name = Annotated[str | None, Parameter(max_length=512)]
Spelled = Annotated[str | None, Parameter(max_length=64)]
Amount = Annotated[int | None, Parameter(ge=0, le=2**62)]


async def log_filters(
    request: Request[Any, Any, Any],
    since: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    until: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    provider: Name = None,
    model: Annotated[str | None, Parameter(description="As asked for, or as sent", max_length=512)] = None,
    key: Annotated[str | None, Parameter(description="Name of a virtual key", max_length=512)] = None,
    team: Name = None,
    customer: Name = None,
    operation: Spelled = None,
    status: Annotated[int | None, Parameter(ge=0, le=999)] = None,
    errors: bool = False,
    outcome: Spelled = None,
    error: Spelled = None,
    cache: Spelled = None,
    stream: bool | None = None,
    min_ms: Annotated[float | None, Parameter(ge=0, le=1e12)] = None,
    max_ms: Annotated[float | None, Parameter(ge=0, le=1e12)] = None,
    min_cost: Annotated[int | None, Parameter(description="In nano-dollars", ge=0, le=2**62)] = None,
    max_cost: Annotated[int | None, Parameter(description="In nano-dollars", ge=0, le=2**62)] = None,
    search: Annotated[
        str | None, Parameter(description='Words, "words in a row", -without these', max_length=512)
    ] = None,
    request_id: Annotated[str | None, Parameter(max_length=64)] = None,
    attempts: Annotated[
        bool, Parameter(description="Also attempts that their request does not tell of, and shadows")
    ] = False,
) -> LogQuery:
    """For handlers that take ``filters``. Raises ClientException."""
    state: ControlState = request.app.state.control
    names = state.configuration.names
    wanted = "" if search is None else search.strip()
    if request_id is None and _is_id(wanted):
        request_id, wanted = wanted, ""
    try:
        return LogQuery(
            since_us=microseconds(since),
            until_us=microseconds(until),
            provider=_ids("provider", provider, names),
            model=model,
            virtual_key=_ids("virtual_key", key, names),
            team=_ids("team", team, names),
            customer=_ids("customer", customer, names),
            operation=_value(Operation, "operation", operation),
            status=status,
            errors_only=errors,
            outcome=_value(Outcome, "outcome", outcome),
            error_kind=_value(ErrorKind, "error", error),
            cache_verdict=_value(CacheVerdict, "cache", cache),
            stream=None if stream is None else int(stream),
            min_us=None if min_ms is None else int(min_ms * 1000),
            max_us=None if max_ms is None else int(max_ms * 1000),
            min_cost=min_cost,
            max_cost=max_cost,
            search=_search(wanted, names),
            request_id=None if request_id is None else bytes.fromhex(request_id),
            kind=None if attempts else int(Kind.EXCHANGE),
        )
    except ValueError as mistake:
        raise ClientException(str(mistake)) from None


def microseconds(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not abs(seconds) < 1e12:
        raise ValueError("not a Unix time")
    return int(seconds * 1e6)


def _ids(kind: str, name: str | None, names: Mapping[int, str]) -> tuple[int, ...] | None:
    """All that have had this name; also that of a file's entity which nothing knows any more."""
    if name is None:
        return None
    label = f"{kind}/{name}"
    found = {signed(identity) for identity, known in names.items() if known == label}
    return tuple(sorted(found | {signed(id_hash(f"file:{label}"))}))


def _value(enum: type[IntEnum], name: str, spelled: str | None) -> int | None:
    """``none``: rows that have none."""
    if spelled is None:
        return None
    try:
        return int(enum[spelled.upper()])
    except KeyError:
        known = ", ".join(value.name.lower() for value in enum)
        raise ValueError(f"{name}: one of {known}") from None


def _search(text: str, names: Mapping[int, str]) -> tuple[Term, ...]:
    terms = list(terms_in(text))
    if len(terms) > MOST_TERMS:
        raise ValueError(f"search: at most {MOST_TERMS} words")
    if terms and all(term.excluded for term in terms):
        raise ValueError("search: say what to look for, beside what is not to be there")
    return tuple(msgspec.structs.replace(term, ids=_naming(term.text, names)) for term in terms)


def _naming(text: str, names: Mapping[int, str]) -> tuple[int, ...]:
    found = []
    for identity, label in names.items():
        kind, _, name = label.partition("/")
        if text in name.lower() and kind in SEARCHED:
            found.append(signed(identity))
            if len(found) == MOST_IDS:
                break
    return tuple(found)


def _is_id(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)

"""/api/models and /api/prices/effective: what can be asked right now, what is known of it, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.exceptions import ClientException
from litestar.params import Parameter

from gateway.control.state import ControlState
from gateway.prices_in_force import PriceInForce, PriceLookUp
from gateway.snapshot.facts import HOME, NOT_SHOWN, decode
from gateway.snapshot.model import Provider, Snapshot
from providers.models.matching import files_of

Search = Annotated[str, Parameter(description="Words that a name has to contain", max_length=200)]
Limit = Annotated[int, Parameter(ge=1, le=1000)]
Origin = Literal["route", "declared", "alias", "listed", "known"]
KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "chat": (frozenset({"chat", "completion"}), frozenset({"chat", "responses", "completions"})),
    "embedding": (frozenset({"embedding"}), frozenset({"embeddings"})),
}
"""What models are looked for as -> their kinds, as facts say them, and the operations of which its provider has to have
one where nobody knows a model's kind."""


class ModelEntry(msgspec.Struct, kw_only=True):
    """A name that callers can ask for. What nobody knows is empty or null."""

    name: str
    provider: str
    """Of a route: the first target's."""
    targets: list[str]
    """Of a route: provider/model, fallbacks last."""
    origin: Origin
    """Why it is here: a route, declared or an alias in the configuration, in the provider's own list, or (for a
    provider of which there is neither) known of its vendor."""
    operations: list[str]
    """What its provider is asked for."""
    title: str
    kind: str
    context: int | None
    max_output: int | None
    input: list[str]
    output: list[str]
    can: list[str]
    deprecated: bool
    price: PriceInForce | None
    """Of a route: of the first target."""


class ModelEntries(msgspec.Struct):
    entries: list[ModelEntry]
    total: int
    """How many there are that match, shown or not."""


class PricesInForce(msgspec.Struct):
    entries: list[PriceInForce]
    total: int
    next: str | None


class Named(msgspec.Struct, frozen=True):
    """A name that can be asked for, before anything of it is looked up."""

    name: str
    provider: str
    model: str
    origin: Origin


@get("/models", operation_id="list_models", summary="What can be asked right now")
async def models(
    request: Request[Any, Any, Any],
    search: Search = "",
    kind: Annotated[
        Literal["chat", "embedding"] | None,
        Parameter(description="Only those that are of this kind, as far as anybody knows"),
    ] = None,
    limit: Limit = 50,
) -> ModelEntries:
    """Routes first; with a search those that begin with it. Only what is answered is looked up."""
    return await asyncio.to_thread(_models, _snapshot(request), search, kind, limit)


@get("/prices/effective", operation_id="list_prices_in_force", summary="What each model costs, and who says so")
async def prices(
    request: Request[Any, Any, Any],
    search: Search = "",
    unknown: Annotated[bool, Parameter(description="Only those whose price nobody knows")] = False,
    limit: Limit = 50,
    cursor: Annotated[str | None, Parameter(description="`next` of the page before", max_length=16)] = None,
) -> PricesInForce:
    """Of every model at every provider, as `microgate prices show`: the operator's rules, then the bundled lists, then
    the provider's own."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
        raise ClientException("the cursor is none of this list")
    return await asyncio.to_thread(_prices, _snapshot(request), search, unknown, int(cursor or 0), limit)


def _snapshot(request: Request[Any, Any, Any]) -> Snapshot:
    state: ControlState = request.app.state.control
    return state.configuration.snapshot


def _models(snapshot: Snapshot, search: str, kind: str | None, limit: int) -> ModelEntries:
    found = _matching(list(names_in(snapshot)), search)
    facts, prices = _Facts(snapshot), PriceLookUp(snapshot)
    if kind:
        found = [named for named in found if _is_of(kind, facts.of(named), snapshot.providers[named.provider])]
    entries = [_entry(snapshot, named, facts.of(named), prices) for named in found[:limit]]
    return ModelEntries(entries, len(found))


def _prices(snapshot: Snapshot, search: str, unknown: bool, at: int, limit: int) -> PricesInForce:
    look_up = PriceLookUp(snapshot)
    found = {
        (named.provider, named.model): None
        for named in _matching(sorted(names_at_providers(snapshot), key=lambda named: named.name), search)
    }
    if unknown:
        priced = [look_up.of(snapshot.providers[provider], model) for provider, model in found]
        known = [price for price in priced if not price.prices]
        page, total = known[at : at + limit], len(known)
    else:
        total = len(found)
        page = [look_up.of(snapshot.providers[name], model) for name, model in list(found)[at : at + limit]]
    return PricesInForce(page, total, str(at + limit) if at + limit < total else None)


def names_in(snapshot: Snapshot) -> Iterator[Named]:
    """Routes, then what callers write as provider/model."""
    for name, route in snapshot.routes.items():
        target = next((each for each in route.targets if each.provider in snapshot.providers), None)
        if target is not None:
            yield Named(name, target.provider, target.model, "route")
    yield from names_at_providers(snapshot, targets=False)


def names_at_providers(snapshot: Snapshot, *, targets: bool = True) -> Iterator[Named]:
    """Of every provider that is in use; ``targets``: also what only routes lead to."""
    led_to: dict[str, dict[str, Origin]] = {name: {} for name in snapshot.providers}
    for route in snapshot.routes.values() if targets else ():
        for target in (*route.targets, *route.fallbacks):
            if target.provider in led_to:
                led_to[target.provider][target.model] = "route"
    for name, provider in snapshot.providers.items():
        if not provider.enabled:
            continue
        found: dict[str, Origin] = {
            **led_to[name],
            **dict.fromkeys(snapshot.listed.get(name, ()), "listed"),
            **dict.fromkeys(provider.aliases, "alias"),
            **dict.fromkeys(provider.models, "declared"),
        }
        # Before its list has come, and of those that have none.
        known: dict[str, Origin] = dict.fromkeys(_of_vendor(provider.vendor), "known") if not found else {}
        for model, origin in (found or known).items():
            yield Named(f"{name}/{model}", name, model, origin)


def _of_vendor(vendor: str) -> dict[str, dict[str, Any]]:
    """Model -> facts, from the bundled file of this vendor's own models."""
    files = files_of(vendor)
    try:
        return decode(HOME / f"{files[0]}.json") if files else {}
    except (OSError, ValueError):
        return {}


def _matching(names: list[Named], search: str) -> list[Named]:
    words = search.lower().split()
    if not words:
        return names
    found = [named for named in names if all(word in named.name.lower() for word in words)]

    def rank(named: Named) -> tuple[bool, bool]:
        name = named.name.lower()
        return (words[0] not in (name, named.model.lower()), not (name.startswith(words[0])))

    return sorted(found, key=rank)


class _Facts:
    """Facts of one snapshot, a provider's decoded when they are first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._apart: dict[str, dict[str, Any]] = {}

    def of(self, named: Named) -> dict[str, Any]:
        known = self._apart.get(named.provider)
        if known is None:
            text = self._snapshot.facts.get(named.provider, b"{}")
            known = self._apart[named.provider] = msgspec.json.decode(text)
            if named.origin == "known":
                vendor = self._snapshot.providers[named.provider].vendor
                known |= _of_vendor(vendor)
        facts: dict[str, Any] = known.get(named.model, {})
        return facts


def _is_of(kind: str, facts: dict[str, Any], provider: Provider) -> bool:
    kinds, operations = KINDS[kind]
    said = facts.get("kind")
    return said in kinds if said else bool(operations & provider.dialects.keys())


def _entry(snapshot: Snapshot, named: Named, facts: dict[str, Any], prices: PriceLookUp) -> ModelEntry:
    provider = snapshot.providers[named.provider]
    route = snapshot.routes[named.name] if named.origin == "route" else None
    targets = [] if route is None else [f"{each.provider}/{each.model}" for each in (*route.targets, *route.fallbacks)]
    price = prices.of(provider, named.model)
    shown = {name: value for name, value in facts.items() if name not in NOT_SHOWN}
    return ModelEntry(
        name=named.name,
        provider=named.provider,
        targets=targets,
        origin=named.origin,
        operations=sorted(provider.dialects),
        title=str(shown.get("name", "")),
        kind=str(shown.get("kind", "")),
        context=shown.get("context"),
        max_output=shown.get("max_output"),
        input=list(shown.get("input", ())),
        output=list(shown.get("output", ())),
        can=list(shown.get("can", ())),
        deprecated=bool(shown.get("deprecated")),
        price=price if price.prices else None,
    )


MODELS_HANDLERS = (models, prices)

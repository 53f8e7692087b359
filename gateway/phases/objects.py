"""Objects that providers keep (files, batches, stored responses): whose they are, and which provider key leads to them.

Every id in the path, the query and the body of a request is opened before anything is sent; one that was not sealed
for the caller is a 404, whatever else is wrong with it. All that open have to lead to one provider key, which is then
asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import orjson

from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.parse import parse_json
from gateway.sealed import SHAPE, seal_of
from gateway.serving import Target, Upstream
from providers.operations import Dialect, Operation

FILES = int(Operation.FILES)
BATCHES = int(Operation.BATCHES)
RESPONSES = int(Operation.RESPONSES)
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
ANTHROPIC = int(Dialect.ANTHROPIC)
GEMINI = int(Dialect.GEMINI)

REFERENCES = frozenset(
    {
        "previous_response_id", "conversation", "conversation_id", "file_id", "file_ids", "input_file_id", "container",
        "container_id", "vector_store_id", "vector_store_ids", "batch_id", "cachedContent", "cached_content",
    }
)  # fmt: skip
"""Members whose text, or list of texts, names an object at a provider."""
HELD_IDS = frozenset({"conversation", "container"})
"""Where an object with ``id`` may stand in place of the text."""
FILE_ADDRESSES = frozenset({"fileUri", "file_uri"})
_GOOGLE_FILE = re.compile(r"(?:https?://[^/?#]*googleapis\.com/.*)?files/[^/]+", re.IGNORECASE | re.DOTALL)
"""Of Google's Files API; other addresses are public, or a bucket's."""
DATA = frozenset(
    {
        "metadata", "parameters", "input_schema", "schema", "json_schema", "args", "arguments", "toolUse",
        "functionCall",
    }
)  # fmt: skip
"""The caller's own data; providers look for no object in it."""


class Refused(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class Opened:
    """What one request names."""

    def __init__(self, x: Exchange) -> None:
        principal = x.principal
        self.x = x
        self.owner = 0 if principal is None else principal.id_hash
        self.pin = 0 if principal is None else principal.pin
        self.seal = seal_of(x.view.snapshot.pepper)
        self.keys: set[int] = set()
        self.met = False
        """A member that may name an object was there."""
        self.names: dict[str, str] = {}
        """The provider's own ids that were opened -> the caller's."""

    def open(self, name: str, *, strict: bool = True) -> str:
        """The provider's own id. Raises Refused. With a pin the account is the caller's own, and so is every id that
        was not sealed; not ``strict``: ids of what no provider keeps stand here too."""
        if SHAPE.fullmatch(name) is None:
            if strict and not self.pin:
                raise Refused(missing(self.x))
            if strict:
                self.keys.add(self.pin)
            return name
        found = self.seal.open(self.owner, name)
        if found is None or place_of(self.x, found[0]) is None:
            raise Refused(missing(self.x))
        self.keys.add(found[0])
        self.names[found[1]] = name
        return found[1]

    def place(self) -> tuple[Upstream, int] | None:
        """Provider and number of its key, None when nothing was named. Raises Refused."""
        if not self.keys:
            return None
        if len(self.keys) > 1:
            message = "The objects named here are kept in different provider accounts; one request reaches one of them."
            raise Refused(refuse(GatewayError("bad_request", message), self.x.request_id.decode()))
        found = place_of(self.x, next(iter(self.keys)))
        if found is None:
            raise Refused(missing(self.x))
        return found


def missing(x: Exchange) -> Response:
    """The one answer to ids that are unknown, forged, somebody else's, or of a provider key that is gone."""
    return refuse(GatewayError("not_found", "No such object is known here."), x.request_id.decode())


def place_of(x: Exchange, key: int) -> tuple[Upstream, int] | None:
    """Provider and number of the provider key with this id hash; None when it is gone or switched off."""
    for upstream in x.view.upstreams.values():
        if key in upstream.key_hashes:
            index = upstream.key_hashes.index(key)
            return (upstream, index) if upstream.enabled_mask >> index & 1 else None
    return None


def target_at(upstream: Upstream, index: int, model: str = "") -> Target:
    """A target that only this key of the provider serves."""
    target = Target(upstream, model, 1.0)
    target.model = model
    target.mask = 1 << index
    return target


# --- what a body names


def refer(value: Any, opened: Opened, dialect: int, *, items: bool = False) -> None:
    """Put the provider's own ids in place of the sealed ones, all over a decoded body. Raises Refused. ``items``: it
    asks for a response, whose input may name what earlier ones held."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, list):
            stack.extend(found)
            continue
        if not isinstance(found, dict):
            continue
        for name, member in found.items():
            if name in REFERENCES:
                opened.met = True
                found[name] = named(member, opened, name)
                if isinstance(member, dict | list):
                    stack.append(member)
            elif name in FILE_ADDRESSES:
                opened.met = True
                if isinstance(member, str) and _GOOGLE_FILE.fullmatch(member):
                    found[name] = opened.open(member)
            elif name in DATA or of_a_call(name, found):
                continue
            elif isinstance(member, dict | list):
                stack.append(member)
    if items and isinstance(value, dict):
        for item in input_items(value):
            name = item["id"]
            if isinstance(name, str):
                # An item that is there itself needs no store, and its id may come from an answer that was not stored.
                reference = item.get("type") in (None, "item_reference") and "content" not in item
                item["id"] = opened.open(name, strict=reference)


def of_a_call(name: str, holder: dict[str, Any]) -> bool:
    """Input or outcome of a call, as Anthropic and Google write them: the caller's own data too."""
    if name == "input":
        return str(holder.get("type", "")).endswith("tool_use")
    return name == "response" and "name" in holder


def named(member: Any, opened: Opened, name: str) -> Any:
    if isinstance(member, str):
        return opened.open(member)
    if isinstance(member, list):
        return [opened.open(one) if isinstance(one, str) else one for one in member]
    if isinstance(member, dict) and name in HELD_IDS and isinstance(member.get("id"), str):
        member["id"] = opened.open(member["id"])
    return member


def input_items(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    items = value.get("input")
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict) and "id" in item)


def worth_a_look(x: Exchange) -> bool:
    """Whether the body of a request for an answer may name objects. An escaped name would be one too."""
    if x.stateful:
        return True
    body = x.body
    if x.operation == RESPONSES:
        return b'"id"' in body or b"\\u00" in body
    if x.dialect == ANTHROPIC:
        return b'"container"' in body or b"\\u00" in body
    if x.dialect == GEMINI:
        return b"ile_uri" in body or b"ileUri" in body or b"ached" in body or b"\\u00" in body
    return False


def keep_to_place(x: Exchange) -> Response | None:
    """The body of a request for an answer names objects: the provider key that has them is asked, and no other."""
    try:
        opened = Opened(x)
        value = orjson.loads(x.body)
        refer(value, opened, x.dialect, items=x.operation == RESPONSES)
        found = opened.place()
    except orjson.JSONDecodeError as error:
        return refuse(GatewayError("invalid_json", f"The body can't be read: {error}."), x.request_id.decode())
    except Refused as refused:
        return refused.response
    if found is None:
        if not opened.pin and (x.stateful or opened.met):
            return send_as_read(x, value)
        return None
    upstream, index = found
    bit = 1 << index
    kept = [target for target in x.targets or () if target.upstream is upstream and target.mask & bit]
    if not kept:
        if opened.keys == {opened.pin}:
            message = f"This key is pinned to the provider '{upstream.name}'."
            return refuse(GatewayError("forbidden", message), x.request_id.decode())
        message = f"The objects named here are kept at the provider '{upstream.name}', not where this model is asked."
        return refuse(GatewayError("bad_request", message, param="model"), x.request_id.decode())
    x.targets = [target_at(upstream, index, kept[0].model)]
    x.names = opened.names
    if opened.keys == {opened.pin}:
        # Its own account, its own ids: nothing was put in their place.
        return None
    return send_as_read(x, value)


def send_as_read(x: Exchange, value: Any) -> Response | None:
    """Of a member that stands there twice only one has been seen: what was looked at is what is sent."""
    model, entry = x.model, x.route
    x.body = orjson.dumps(value)
    refusal = parse_json(x)
    if refusal is None and entry is not None and entry.rest:
        x.model = model
        if entry.names_model:
            x.model_start = x.model_end = -1
    if entry is not None and entry.streams is not None:
        x.stream = entry.streams
    return refusal


# --- paths that belong to objects


def at_object(x: Exchange) -> Response | None:
    """A stateful path: fills ``x.targets`` with the one provider key that has, or will have, the object."""
    try:
        return at_place(x, Opened(x))
    except Refused as refused:
        return refused.response


def at_place(x: Exchange, opened: Opened) -> Response | None:
    entry = x.route
    principal = x.principal
    if entry is None or principal is None:
        return None
    request_id = x.request_id.decode()
    rest = entry.rest.decode("ascii")
    if rest:
        name, slash, below = rest.partition("/")
        rest = quote(opened.open(unquote(name)), safe="") + slash + below
    x.query = re.sub(rb"(?<==)[^&=]*mg[^&=]*", lambda found: opened_in_query(found[0], opened), x.query)
    if x.body or x.uploading:
        refusal = open_body(x, opened)
        if refusal is not None:
            return refusal
    if not opened.keys and principal.pin:
        opened.keys.add(principal.pin)
    found = opened.place()
    if found is None:
        if x.method != b"POST":
            return refuse(GatewayError("forbidden", LIST_OF_ALL), request_id)
        found = place_for(x)
    upstream, index = found
    rules = x.view.rulesets[principal.ruleset]
    if rules.providers and upstream.name not in rules.providers:
        message = f"This key may not use the provider '{upstream.name}'."
        return refuse(GatewayError("forbidden", message), request_id)
    own = opened.pin in upstream.key_hashes
    if entry.prefix and entry.prefix in x.view.upstreams and entry.prefix != upstream.name and own:
        return refuse(GatewayError("forbidden", f"This key is pinned to the provider '{upstream.name}'."), request_id)
    if not offers(upstream, x) and (not own or x.dialect > LAST_OF_OPENAI):
        if not own:
            return missing(x)
        kind = Operation(x.operation).name.lower()
        message = f"The provider '{upstream.name}', to which this key is pinned, has no {kind} in this dialect."
        return refuse(GatewayError("unsupported_operation", message), request_id)
    if x.operation == BATCHES and x.method == b"POST" and not rest and rules.models:
        message = "A key that is restricted to certain models can't start batches: their requests are not looked at."
        return refuse(GatewayError("forbidden", message), request_id)
    if rest:
        x.route = entry.at(rest.encode())
    x.targets = [target_at(upstream, index)]
    x.names = opened.names
    return None


LIST_OF_ALL = (
    "Provider accounts are shared, and a provider's list shows what all who use one have there. Keep the ids that you "
    "are given; a key with 'stateful: PROVIDER/KEY' in its configuration has an account of its own and can list it."
)


def opened_in_query(value: bytes, opened: Opened) -> bytes:
    return quote(opened.open(unquote(value.decode("ascii", "replace")), strict=False), safe="").encode()


def open_body(x: Exchange, opened: Opened) -> Response | None:
    """Open what a body sent to a stateful path names. Files go through as they are."""
    if x.operation == FILES and not x.json_declared:
        return None
    if opened.pin and b"mg" not in x.body:
        return None
    if x.uploading:
        message = "The body is longer than server.limits.binary_hold_bytes: the ids in it can't be read."
        return refuse(GatewayError("too_large", message), x.request_id.decode())
    try:
        value = orjson.loads(x.body)
    except orjson.JSONDecodeError as error:
        return refuse(GatewayError("invalid_json", f"The body can't be read: {error}."), x.request_id.decode())
    refer(value, opened, x.dialect)
    x.body = orjson.dumps(value)
    return None


def offers(upstream: Upstream, x: Exchange) -> bool:
    """Whether the provider has this kind of object, in the dialect of the request."""
    plan = upstream.plans.get(x.operation)
    if plan is None or plan.operation != x.operation:
        return False
    return plan.dialect == x.dialect or (plan.dialect <= LAST_OF_OPENAI and x.dialect <= LAST_OF_OPENAI)


_NAMED = re.compile(rb"\r\nx-microgate-provider:[ \t]*([!-~]+)[ \t]*\r\n", re.IGNORECASE)


def place_for(x: Exchange) -> tuple[Upstream, int]:
    """Where a new object is to be: at the provider that ``x-microgate-provider`` names, else the path, else at the
    only one there is. Raises Refused."""
    entry, principal = x.route, x.principal
    if entry is None or principal is None:
        raise Refused(missing(x))
    allowed = x.view.rulesets[principal.ruleset].providers
    places = {
        name: keys
        for name, upstream in x.view.upstreams.items()
        if offers(upstream, x) and (not allowed or name in allowed) and (keys := keys_for_all(upstream))
    }
    header = _NAMED.search(x.head)
    name = header[1].decode("ascii") if header is not None else ""
    if not name and entry.prefix in places:
        name = entry.prefix
    if not name and len(places) == 1:
        name = next(iter(places))
    if name not in places:
        kind = Operation(x.operation).name.lower()
        said = f"The provider '{name[:64]}' does not take {kind} from this key." if name else "Which provider is meant?"
        names = ", ".join(sorted(places))
        known = (
            f"Name one in the header field x-microgate-provider: {names}." if names else f"No provider takes {kind}."
        )
        error = GatewayError("bad_request", f"{said} {known}")
        raise Refused(refuse(error, x.request_id.decode()))
    upstream = x.view.upstreams[name]
    # One tenant's objects stay together, so that a request can name several of them.
    return upstream, max(places[name], key=lambda index: hash((principal.id_hash, upstream.key_hashes[index])))


def keys_for_all(upstream: Upstream) -> list[int]:
    """Numbers of the keys whose account nobody has to himself."""
    return [
        index for index, spec in enumerate(upstream.key_specs) if upstream.enabled_mask >> index & 1 and not spec.pinned
    ]

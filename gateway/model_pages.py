"""Lists of models in the forms of Anthropic, Google and Cohere: the same models as in ``/v1/models``, in pages.

A token of a page is the name of the last model that was shown, so it stays good while lists change.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

from gateway.catalogue import Catalogue, Facts
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.own import allowed_models, facts_of
from gateway.serving import GENERATING, View
from providers.operations import Dialect, Operation

Named = tuple[str, str]
"""A model's name, and whose it is."""
UNKNOWN_RELEASE = "1970-01-01T00:00:00Z"
"""What Anthropic says where it knows none."""
MOST = 1_000
KINDS = {"chat": "chat", "completion": "chat", "embedding": "embed", "rerank": "rerank"}
"""Kind of a model, as facts say it -> what it is good for, in Cohere's words."""
METHODS = {
    "chat": ("generateContent", "streamGenerateContent"),
    "embed": ("embedContent", "batchEmbedContents"),
    "rerank": (),
}
"""The same in Google's."""


class Lister(NamedTuple):
    """How a dialect shows one model, and a page of them."""

    show: Callable[[View, Named, Facts], dict[str, Any]]
    page: Callable[[Exchange, list[Named], dict[str, str]], dict[str, Any]]


def serve(x: Exchange) -> Response:
    """A page, or the one model that the path names."""
    view = x.view
    ruleset = 0 if x.principal is None else x.principal.ruleset
    models = list(allowed_models(view, ruleset))
    lister = LISTERS[x.dialect]
    entry = x.route
    try:
        if entry is None or not entry.rest:
            query = dict(parse_qsl(x.query.decode("ascii", "replace")))
            return Response(200, orjson.dumps(lister.page(x, models, query)))
        wanted = unquote(entry.rest.decode("ascii", "replace"))
        for named in models:
            if named[0] == wanted:
                return Response(200, orjson.dumps(shown(x, [named], lister.show)[0]))
        raise GatewayError("model_not_found", f"The model '{wanted[:128]}' is not known here.", param="model")
    except GatewayError as error:
        return refuse(error, x.request_id.decode())


def shown(
    x: Exchange, models: list[Named], show: Callable[[View, Named, Facts], dict[str, Any]]
) -> list[dict[str, Any]]:
    view = x.view
    rules = view.rulesets[0 if x.principal is None else x.principal.ruleset]
    known = Catalogue(view)
    return [show(view, named, facts_of(known, rules, *named)) for named in models]


def uses(view: View, named: Named, facts: Facts) -> list[str]:
    """What a model is good for: by its kind, or where that is not known by what its provider is asked for."""
    kind = facts.get("kind")
    if kind is not None:
        return [KINDS[kind]] if kind in KINDS else []
    name, owner = named
    upstream = view.upstreams.get(owner)
    if upstream is None:
        route = view.routes.get(name)
        first = next((target.provider for target in route.targets), "") if route is not None else ""
        upstream = view.upstreams.get(first)
    if upstream is None:
        return []
    found = ["chat"] if any(int(operation) in upstream.plans for operation in GENERATING) else []
    found += ["embed"] if int(Operation.EMBEDDINGS) in upstream.plans else []
    return found + (["rerank"] if int(Operation.RERANK) in upstream.plans else [])


def bound(query: dict[str, str], name: str, usual: int) -> int:
    """How many to show. Raises GatewayError."""
    said = query.get(name, "")
    if not said:
        return usual
    if not (said.isascii() and said.isdigit() and len(said) < 10 and int(said) > 0):
        raise GatewayError("bad_request", f"'{name}' is no positive whole number.", param=name)
    return min(int(said), MOST)


def place(models: list[Named], name: str, param: str) -> int:
    """Where a model stands in the list. Raises GatewayError."""
    for number, named in enumerate(models):
        if named[0] == name:
            return number
    raise GatewayError("bad_request", f"'{param}' names no model of this list.", param=param)


def behind(models: list[Named], token: str, param: str) -> int:
    """Where the page begins that ``token`` stands for. Raises GatewayError."""
    if not token:
        return 0
    try:
        name = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        raise GatewayError("bad_request", f"'{param}' is no token of a page.", param=param) from None
    return place(models, name, param) + 1


def token_of(models: list[Named], end: int) -> str:
    """The token of the page that begins at ``end``; empty when there is none."""
    return base64.urlsafe_b64encode(models[end - 1][0].encode()).decode().rstrip("=") if 0 < end < len(models) else ""


# --- Anthropic


def show_anthropic(view: View, named: Named, facts: Facts) -> dict[str, Any]:
    lifecycle = "deprecated" if facts.get("deprecated") else "active"
    entry = {
        "type": "model",
        "id": named[0],
        "display_name": facts.get("name") or named[0],
        "created_at": UNKNOWN_RELEASE,
        "lifecycle": lifecycle,
    }
    if "context" in facts:
        entry["max_input_tokens"] = facts["context"]
    if "max_output" in facts:
        entry["max_tokens"] = facts["max_output"]
    return entry


def page_anthropic(x: Exchange, models: list[Named], query: dict[str, str]) -> dict[str, Any]:
    limit = bound(query, "limit", 20)
    after, before = query.get("after_id", ""), query.get("before_id", "")
    if after and before:
        raise GatewayError("bad_request", "'after_id' and 'before_id' exclude each other.", param="after_id")
    if before:
        end = place(models, before, "before_id")
        begin = max(0, end - limit)
        more = begin > 0
    else:
        begin = place(models, after, "after_id") + 1 if after else 0
        end = min(len(models), begin + limit)
        more = end < len(models)
    page = models[begin:end]
    return {
        "data": shown(x, page, show_anthropic),
        "first_id": page[0][0] if page else None,
        "has_more": more,
        "last_id": page[-1][0] if page else None,
    }


# --- Google


def show_gemini(view: View, named: Named, facts: Facts) -> dict[str, Any]:
    methods = [method for use in uses(view, named, facts) for method in METHODS[use]]
    upstream = view.upstreams.get(named[1])
    if "generateContent" in methods and upstream is not None and "count_tokens" in upstream.spec.dialects:
        methods.append("countTokens")
    entry: dict[str, Any] = {
        "name": f"models/{named[0]}",
        "displayName": facts.get("name") or named[0],
        "supportedGenerationMethods": methods,
    }
    if "context" in facts:
        entry["inputTokenLimit"] = facts["context"]
    if "max_output" in facts:
        entry["outputTokenLimit"] = facts["max_output"]
    return entry


def page_gemini(x: Exchange, models: list[Named], query: dict[str, str]) -> dict[str, Any]:
    begin = behind(models, query.get("pageToken", ""), "pageToken")
    end = begin + bound(query, "pageSize", 50)
    token = token_of(models, end)
    page = {"models": shown(x, models[begin:end], show_gemini)}
    return page | {"nextPageToken": token} if token else page


# --- Cohere


def show_cohere(view: View, named: Named, facts: Facts) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": named[0],
        "endpoints": uses(view, named, facts),
        "finetuned": False,
        "is_deprecated": bool(facts.get("deprecated")),
        "default_endpoints": [],
    }
    if "context" in facts:
        entry["context_length"] = facts["context"]
    return entry


def page_cohere(x: Exchange, models: list[Named], query: dict[str, str]) -> dict[str, Any]:
    if query.get("default_only", "").lower() == "true":
        return {"models": []}  # no model is the one meant where none is named
    endpoint = query.get("endpoint", "")
    if endpoint:
        able = [entry["name"] for entry in shown(x, models, show_cohere) if endpoint in entry["endpoints"]]
        wanted = frozenset(able)
        models = [named for named in models if named[0] in wanted]
    begin = behind(models, query.get("page_token", ""), "page_token")
    end = begin + bound(query, "page_size", 20)
    token = token_of(models, end)
    page = {"models": shown(x, models[begin:end], show_cohere)}
    return page | {"next_page_token": token} if token else page


LISTERS: dict[int, Lister] = {
    int(Dialect.ANTHROPIC): Lister(show_anthropic, page_anthropic),
    int(Dialect.GEMINI): Lister(show_gemini, page_gemini),
    int(Dialect.COHERE): Lister(show_cohere, page_cohere),
}

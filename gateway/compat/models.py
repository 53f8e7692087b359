"""LiteLLM's lists of models: ``/model/info`` and ``/model_group/info``, of what the caller may ask for."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.catalogue import Catalogue, members
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.own import allowed_models, facts_of
from gateway.phases.authenticate import authenticate
from gateway.server.routes import find

MOST = 1000
"""Models in one answer."""


def model_info(x: Exchange) -> Response:
    """Refused to whom /v1/models is refused. Nothing of a provider's address or credential is told."""
    x.route = find(b"/v1/models")
    refusal = authenticate(x)
    if refusal is not None:
        return refusal
    if x.method not in (b"GET", b"HEAD"):
        error = GatewayError("method_not_allowed", "This path does not take this method.")
        return refuse(error, x.request_id.decode())
    view = x.view
    ruleset = 0 if x.principal is None else x.principal.ruleset
    known = Catalogue(view)
    found = []
    for name, owner in allowed_models(view, ruleset):
        told = members(facts_of(known, view.rulesets[ruleset], name, owner))
        found.append(group_of(name, told) if x.path == b"/model_group/info" else entry_of(name, owner, told))
        if len(found) == MOST:
            break
    return Response(200, orjson.dumps({"data": found}))


def entry_of(name: str, owner: str, told: dict[str, Any]) -> dict[str, Any]:
    """One model as ``/model/info`` has it."""
    return {
        "model_name": name,
        "litellm_params": {"model": name},
        "model_info": {"id": name, "db_model": False, "litellm_provider": owner, **facts(told)},
    }


def group_of(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """One model as ``/model_group/info`` has it."""
    return {"model_group": name, "providers": [], **facts(told)}


def facts(told: dict[str, Any]) -> dict[str, Any]:
    """What /v1/models tells, by LiteLLM's names."""
    prices = told.get("pricing")
    prices = prices if isinstance(prices, dict) else {}
    return {
        "max_input_tokens": told.get("context_length"),
        "input_cost_per_token": number(prices.get("prompt")),
        "output_cost_per_token": number(prices.get("completion")),
    }


def number(price: Any) -> float | None:
    try:
        return float(price)
    except (TypeError, ValueError):
        return None

"""Prices of LiteLLM's deployments, in USD for one token there and for a million here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.cli.importing.tables import Job
from gateway.config.problems import Path

OF_A_TOKEN: Mapping[str, str] = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "input_cost_per_token_cache_hit": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "input_cost_per_audio_token": "input_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_reasoning_token": "output_reasoning",
    "output_cost_per_image_token": "output_image",
}
"""LiteLLM's name -> ours, both for tokens."""
_ABOVE = re.compile(r"(?P<of>[a-z_]+?)_above_(?P<thousands>\d+)k_tokens")
_TIER = re.compile(r"(?P<of>[a-z_]+?)_(?P<tier>flex|priority)")
_IN_ABOVE = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_IN_TIERS = (*_IN_ABOVE, "output_reasoning")


def is_price(name: str) -> bool:
    """Whether a parameter says what something costs."""
    return "_cost" in name or name == "tiered_pricing"


def price_of(job: Job, path: Path, section: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """The figures of a rule of ``prices``; empty without any. Those that have no equivalent are reported."""
    rule: dict[str, Any] = {}
    above: dict[int, dict[str, str]] = {}
    tiers: dict[str, dict[str, str]] = {}
    for name, value in section.items():
        if not is_price(name) or name in taken:
            continue
        taken.add(name)
        here = (*path, name)
        try:
            amount = _million(value)
        except ValueError as error:
            job.report.missing(here, value, str(error))
            continue
        if name in OF_A_TOKEN:
            rule[OF_A_TOKEN[name]] = amount
            job.report.carried(here, value, f"prices[].{OF_A_TOKEN[name]}")
        elif (found := _ABOVE.fullmatch(name)) and OF_A_TOKEN.get(found["of"]) in _IN_ABOVE:
            figure = OF_A_TOKEN[found["of"]]
            above.setdefault(int(found["thousands"]) * 1000, {})[figure] = amount
            job.report.carried(here, value, f"prices[].above[].{figure}")
        elif (found := _TIER.fullmatch(name)) and OF_A_TOKEN.get(found["of"]) in _IN_TIERS:
            figure = OF_A_TOKEN[found["of"]]
            tiers.setdefault(found["tier"], {})[figure] = amount
            job.report.carried(here, value, f"prices[].tiers.{found['tier']}.{figure}")
        else:
            job.report.missing(here, value, "only tokens, requests and searches have prices here")
    if not (rule or above or tiers):
        return {}
    rule.setdefault("input", "0")
    rule.setdefault("output", "0")
    if above:
        rule["above"] = [{"tokens": tokens, **above[tokens]} for tokens in sorted(above)]
    if tiers:
        rule["tiers"] = tiers
    return rule


def _million(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no amount of money")
    try:
        amount = Decimal(str(value)) * 1_000_000
    except InvalidOperation:
        raise ValueError("no amount of money") from None
    if not amount.is_finite() or not 0 <= amount < 1_000_000:
        raise ValueError("no price of a token")
    text = f"{round(amount, 9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

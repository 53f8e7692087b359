"""Facts as the members of an entry of /v1/models."""

import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import Catalogue, members, moved
from gateway.serving import View
from gateway.snapshot.model import Route, Snapshot, Target


def test_everything_that_is_known() -> None:
    facts: dict[str, Any] = {
        "name": "M",
        "context": 128000,
        "max_output": 4096,
        "input": ["text", "image"],
        "output": ["text"],
        "can": [
            "tools",
            "tool_choice",
            "parallel_tools",
            "structured_output",
            "reasoning",
            "prompt_cache",
            "web_search",
        ],
        "kind": "chat",
        "deprecated": True,
        "prices": {
            "input": "2.5",
            "output": "10",
            "cache_read": "0.25",
            "cache_write": "3.125",
            "web_searches_kcount": "10",
        },
    }
    assert members(facts) == {
        "name": "M",
        "context_length": 128000,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
        },
        "pricing": {
            "prompt": "0.0000025",
            "completion": "0.00001",
            "input_cache_read": "0.00000025",
            "input_cache_write": "0.000003125",
            "web_search": "0.01",
        },
        "top_provider": {"context_length": 128000, "max_completion_tokens": 4096},
        "supported_parameters": [
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "structured_outputs",
            "reasoning",
            "web_search_options",
        ],
        "deprecated": True,
    }


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, {}),
        ({"context": 1}, {"context_length": 1}),
        ({"max_output": 2}, {"top_provider": {"max_completion_tokens": 2}}),
        ({"can": ["prompt_cache"]}, {}),
        ({"kind": "embedding"}, {"architecture": {"output_modalities": ["embeddings"]}}),
        ({"prices": {"input": "0"}}, {"pricing": {"prompt": "0"}}),
        ({"prices": {"audio_hours": "0.1"}}, {}),
    ],
)
def test_what_is_not_known_is_not_there(facts: dict[str, Any], shown: dict[str, Any]) -> None:
    assert members(facts) == shown


@given(st.decimals(0, 100_000, places=8), st.sampled_from([0, 3, 6]))
def test_prices_are_divided_exactly(price: Decimal, places: int) -> None:
    text = f"{price:f}".rstrip("0").rstrip(".") or "0"
    told = moved(text, places)
    assert Decimal(told) == Decimal(text).scaleb(-places)
    assert re.fullmatch(r"0|(?:0|[1-9]\d*)(?:\.\d*[1-9])?", told)


def test_a_route_is_described_by_its_first_target_that_may_be_used() -> None:
    targets = tuple(Target(provider=name, model="m") for name in ("gone", "a", "b"))
    facts = {name: orjson.dumps({"m": {"name": name}}) for name in ("gone", "a", "b")}
    snapshot = Snapshot(version=1, created_ns=0, providers={}, routes={}, facts=facts)
    view = SimpleNamespace(
        snapshot=snapshot, upstreams={"a": 1, "b": 1}, routes={"r": Route(id="r", name="r", targets=targets)}
    )
    known = Catalogue(cast("View", view))
    assert known.of_route("r") == {"name": "a"}
    assert known.of_route("r", ("b",)) == {"name": "b"}
    assert known.of_route("r", ("c",)) == {}
    assert known.of_provider("a", "x") == known.of_provider("z", "m") == {}

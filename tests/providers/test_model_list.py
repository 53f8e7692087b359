"""Names out of every form of a list of models."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import members
from providers.model_list import (
    CONTEXT,
    LONGEST_NAME,
    MOST_MODELS,
    NAME,
    OUTPUT,
    PER_MILLION,
    PER_TOKEN,
    ModelList,
    model_list,
)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"object": "list", "data": [{"id": "gpt-4o"}, {"id": "o3", "owned_by": "x"}]}, ("gpt-4o", "o3")),
        ([{"id": "meta-llama/Llama-3", "type": "chat"}], ("meta-llama/Llama-3",)),
        ({"models": [{"name": "models/gemini-2.0-flash"}]}, ("models/gemini-2.0-flash",)),
        ({"data": ["a", "b", "a"]}, ("a", "b")),
        ({"data": []}, ()),
        ({"data": [{"id": None}, {"id": ""}, 7, "a\nb", " a", "x" * (LONGEST_NAME + 1), {"id": "ok"}]}, ("ok",)),
    ],
)  # fmt: skip
def test_names(value: object, names: tuple[str, ...]) -> None:
    assert model_list(json.dumps(value).encode()) == ModelList(names)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'"x"', b'{"data":{}}', b'{"data":[{}]}', b"[1,2]", b"\xff"])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|list"):
        model_list(body)


def test_a_list_without_end_is_cut() -> None:
    body = json.dumps({"data": [{"id": f"m{i}"} for i in range(MOST_MODELS + 5)]}).encode()
    assert len(model_list(body).names) == MOST_MODELS


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        # OpenRouter
        (
            {
                "name": "M of X",
                "context_length": 128000,
                "architecture": {"input_modalities": ["text", "image", "smell"], "output_modalities": ["text"]},
                "pricing": {"prompt": "0.0000025", "completion": "0.00001", "image": "0", "input_cache_read": "0"},
                "top_provider": {"max_completion_tokens": 16384},
                "supported_parameters": ["max_tokens", "tools", "structured_outputs"],
            },
            {
                "name": "M of X",
                "context": 128000,
                "max_output": 16384,
                "input": ["text", "image"],
                "output": ["text"],
                "can": ["tools", "structured_output"],
                "prices": {"input": "2.5", "output": "10", "cache_read": "0"},
            },
        ),
        # Groq, vLLM, Mistral, Anthropic, Google, Perplexity
        ({"context_window": 131072, "max_completion_tokens": 8192}, {"context": 131072, "max_output": 8192}),
        ({"max_model_len": 4096, "root": "/models/m"}, {"context": 4096}),
        ({"max_context_length": 32768, "name": "m"}, {"context": 32768}),
        (
            {"display_name": "Claude", "max_input_tokens": 200000, "max_tokens": 64000},
            {"name": "Claude", "context": 200000, "max_output": 64000},
        ),
        ({"max_tokens": 4096}, {}),
        (
            {"displayName": "Gemini", "inputTokenLimit": 9, "outputTokenLimit": 8},
            {"name": "Gemini", "context": 9, "max_output": 8},
        ),
        (
            {"pricing": {"input": 10, "output": 0.30000000000000004, "cache_read": 0.1, "unit": "usd_per_1m_tokens"}},
            {"prices": {"input": "10", "output": "0.3", "cache_read": "0.1"}},
        ),
        # What is in no known form is not taken for anything.
        ({"context_length": "128k", "max_model_len": -1, "max_completion_tokens": True}, {}),
        ({"context_length": 2**40, "top_provider": None, "architecture": [], "pricing": "free"}, {}),
        ({"pricing": {"prompt": "-1", "completion": "1e-6", "input_cache_read": 1}}, {}),
        ({"pricing": {"input": 0.88, "output": 0.88}}, {}),
        ({"pricing": {"prompt": "0.1", "unit": "cents"}}, {}),
        ({"pricing": {"input": True, "output": -1, "cache_read": "1", "unit": "usd_per_1m_tokens"}}, {}),
        ({"name": "a\nb", "display_name": 7}, {}),
    ],
)
def test_what_a_provider_says_itself(entry: dict[str, object], said: dict[str, object]) -> None:
    body = json.dumps({"data": [{"id": "m", **entry}, {"id": "n"}]}).encode()
    assert model_list(body) == ModelList(("m", "n"), {"m": said} if said else {})


def test_the_first_entry_of_a_name_counts() -> None:
    body = json.dumps([{"id": "m", "max_model_len": 1}, {"id": "m", "max_model_len": 2}]).encode()
    assert model_list(body) == ModelList(("m",), {"m": {"context": 1}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [*CONTEXT, *OUTPUT, *NAME, "id", "pricing", "architecture", "top_provider", "supported_parameters"]
)
INNER = st.sampled_from(
    [*PER_TOKEN, *PER_MILLION, "unit", "input_modalities", "output_modalities", "max_completion_tokens"]
)


@given(st.lists(st.dictionaries(MEMBERS, JSON | st.dictionaries(INNER, JSON)) | JSON))
def test_no_list_breaks_anything(entries: list[object]) -> None:
    found, refused = ModelList(()), "a list without names"
    try:
        found = model_list(json.dumps({"data": entries}).encode())
    except ValueError as error:
        refused = str(error)
    assert refused in ("not JSON", "a list without names")
    assert found.facts.keys() <= set(found.names)
    for said in found.facts.values():
        assert all(type(said[key]) is int and said[key] > 0 for key in ("context", "max_output") if key in said)
        assert all(re.fullmatch(r"\d+(?:\.\d*[1-9])?", price) for price in said.get("prices", {}).values())
        json.dumps(members(said))

"""Names out of every form of a list of models."""

from __future__ import annotations

import json

import pytest

from providers.model_list import LONGEST_NAME, MOST_MODELS, model_names


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
    assert model_names(json.dumps(value).encode()) == names


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'"x"', b'{"data":{}}', b'{"data":[{}]}', b"[1,2]", b"\xff"])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|list"):
        model_names(body)


def test_a_list_without_end_is_cut() -> None:
    body = json.dumps({"data": [{"id": f"m{i}"} for i in range(MOST_MODELS + 5)]}).encode()
    assert len(model_names(body)) == MOST_MODELS

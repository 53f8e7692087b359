"""Ids in answers: sealed wherever they stand as members, whatever way the bytes come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.phases.sealing import _AN_ID, _FOUND, _OF_MESSAGES, Sealing, as_named
from gateway.sealed import Seal

SEAL = Seal(bytes(32))
OWNER, KEY = 7, 9
RESP, MSG = "resp_67ccd2bed1ec8190b14f964abc0542670bb6", "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6"


def sealing(ids: Any = _AN_ID) -> Sealing:
    return Sealing(SEAL, OWNER, KEY, ids)


def sealed(name: str) -> str:
    return SEAL.seal(OWNER, KEY, name)


RESPONSE: dict[str, Any] = {
    "id": RESP,
    "previous_response_id": RESP,
    "conversation": {"id": "conv_67ccd2bed1ec8190"},
    "output": [
        {
            "id": MSG,
            "type": "message",
            "content": [{"type": "output_text", "text": f'{{"id": "{RESP}", "a\\": "id": "x"}}'}],
        },
        {"id": "ci_67ccd2bed1ec8190", "container_id": "cntr_67ccd2bed1ec8190", "call_id": "call_67ccd2bed1ec8190"},
    ],
    "tools": [{"type": "file_search", "vector_store_ids": ["vs_67ccd2bed1ec8190", "vs_67ccd2bed1ec8191"]}],
    "metadata": {"id": MSG, "file_id": "file-67ccd2bed1ec", "brace": "}"},
    "user_id": "user_67ccd2bed1ec",
    "model": "gpt-4.1",
}
KEPT = {"call_id", "metadata", "user_id", "model", "type", "text"}


def expected(value: Any, name: str = "") -> Any:
    """By decoding, as the bytes are not."""
    if name in KEPT:
        return value
    if isinstance(value, dict):
        return {key: expected(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [expected(member, name) for member in value]
    return sealed(value)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("own_data", [True, False])
def test_members_that_hold_ids_are_sealed_and_nothing_else(indent: int | None, own_data: bool) -> None:
    value = dict(RESPONSE)
    if not own_data:
        for name in ("metadata", "tools", "conversation"):
            del value[name]
    body = json.dumps(value, indent=indent).encode()
    out = sealing().whole(body)
    assert json.loads(out) == expected(value)
    for name in (RESP, MSG):
        out = out.replace(sealed(name).encode(), name.encode())
    assert own_data or out.count(b"mg") == 2


@given(st.lists(st.integers(0, 3000), max_size=20))
def test_a_stream_may_be_split_anywhere(cuts: list[int]) -> None:
    events = [{"type": "response.created", "response": RESPONSE}, {"item_id": MSG, "delta": '"id":"msg_123456"'}]
    data = b"".join(b"event: x\r\ndata: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)
    whole = sealing().feed(data, True)
    stream = sealing()
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    pieces = [stream.feed(data[a:b], b == len(data)) for a, b in zip([0, *ends], ends, strict=False)]
    assert b"".join(pieces) == whole
    assert RESP.encode() not in whole.replace(b'\\"' + RESP.encode(), b"")


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.dictionaries(
    st.sampled_from(["id", "item_id", "xid", "text", 'i"d', "delta", "id\\"]),
    inner | st.sampled_from([RESP, MSG, "call_1", f'"id": "{MSG}"']), max_size=4)))  # fmt: skip
def test_the_fast_way_finds_what_the_thorough_one_finds(value: Any) -> None:
    body = json.dumps({"x": value}).encode()
    fast, thorough = sealing(), sealing()
    assert fast.whole(body) == _FOUND.sub(thorough._member, body)


def test_messages_keep_the_ids_that_pair_calls_and_results() -> None:
    value = {
        "id": MSG,
        "container": {"id": "container_011CPR5C"},
        "content": [{"id": "toolu_0123456789", "file_id": "file_0123456"}],
    }
    out = json.loads(sealing(_OF_MESSAGES).whole(json.dumps(value).encode()))
    assert (out["id"], out["content"][0]["id"]) == (MSG, "toolu_0123456789")
    assert out["container"]["id"] == sealed("container_011CPR5C")
    assert out["content"][0]["file_id"] == sealed("file_0123456")


def test_a_page_of_a_batch_and_any_form_of_id() -> None:
    name = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
    value = {
        "id": name,
        "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_01/results",
        "first_id": None,
    }
    out = json.loads(sealing(None).whole(json.dumps(value).encode()))
    path = f"/v1/messages/batches/{sealed('msgbatch_01')}/results"
    assert out == {"id": sealed(name), "results_url": path, "first_id": None}


def test_a_line_without_end_is_not_held_for_ever() -> None:
    stream = sealing()
    assert stream.feed(b"x" * 600_000, False) == b""
    assert len(stream.feed(b"x" * 600_000, False)) == 1_200_000


def test_errors_name_what_the_caller_named() -> None:
    assert as_named({"file-1": "file-mg00"}, b"No such file: file-1.") == b"No such file: file-mg00."

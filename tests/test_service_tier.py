"""Which service tier an answer names: found however it arrives, and said by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.phases.service_tier import MOST_HELD, Listening


class Inner:
    def whole(self, body: bytes) -> bytes:
        return body.upper()

    def feed(self, data: bytes, complete: bool) -> bytes:
        return data.upper()


def events(*values: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values) + b"data: [DONE]\n\n"


def heard(stream: bytes, size: int, last_counts: bool) -> str:
    listening = Listening(None, last_counts)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    out = [listening.feed(piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    assert b"".join(out) == stream
    assert out == pieces, "nothing is held back"
    return listening.tier


CHAT = events(
    {"id": "c", "service_tier": "flex", "choices": [{"delta": {"content": '"service_tier": "priority"'}}]},
    {"id": "c", "service_tier": "flex", "choices": [], "usage": {"prompt_tokens": 1}},
)
RESPONSES = events(
    {"type": "response.created", "response": {"service_tier": "auto", "metadata": {"service_tier": "flex"}}},
    {"type": "response.output_text.delta", "delta": "service_tier"},
    {"type": "response.completed", "response": {"service_tier": "priority", "metadata": {"service_tier": "flex"}}},
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_of_streams(size: int) -> None:
    assert heard(CHAT, size, False) == "flex"
    assert heard(RESPONSES, size, True) == "priority", "the last one counts"
    assert heard(CHAT.replace(b"\n", b"\r\n"), size, False) == "flex"


def test_of_whole_answers() -> None:
    for body, tier in (
        ({"service_tier": "flex"}, "flex"),
        ({"metadata": {"service_tier": "flex"}}, ""),
        ({"service_tier": None}, ""),
        ({"service_tier": {"type": "flex"}}, ""),
        ([{"service_tier": "flex"}], ""),
        ({"response": "service_tier", "service_tier": "priority"}, "priority"),
    ):
        listening = Listening(None, False)
        whole = json.dumps(body).encode()
        assert listening.whole(whole) is whole
        assert listening.tier == tier, body


def test_what_is_no_document_says_nothing() -> None:
    listening = Listening(None, True)
    assert listening.whole(b'{"service_tier": "flex"') == b'{"service_tier": "flex"'
    assert listening.feed(b'data: {"service_tier"\n\n', True)
    assert listening.tier == ""


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    listening = Listening(None, True)
    for _ in range(3):
        listening.feed(b"x" * MOST_HELD, False)
        assert len(listening.rest) <= MOST_HELD


def test_whoever_seals_ids_goes_on() -> None:
    listening = Listening(Inner(), False)
    assert listening.whole(b'{"service_tier":"flex"}') == b'{"SERVICE_TIER":"FLEX"}'
    assert listening.feed(b"data: x\n\n", False) == b"DATA: X\n\n"
    assert listening.tier == "flex"

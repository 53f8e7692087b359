"""Nothing that comes in Anthropic's form raises anything but what is promised."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.dialects.base import Facts
from providers.neutral import (
    Done,
    Fault,
    Losses,
    Malformed,
    Request,
)
from tests.providers.dialects.anthropic_cases import (
    ANSWER,
    ANTHROPIC,
    CHAT,
    NEW,
    OLD,
    ROUND,
    STREAM,
    collect,
    read,
    write,
)
from tests.providers.dialects.streaming import JSON, broken

_BODIES = [ROUND[name] for name in ROUND]


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(broken(_BODIES), st.sampled_from([OLD, NEW]))
def test_a_broken_request_is_malformed_or_taken(given: Any, facts: Facts) -> None:
    try:
        request = ANTHROPIC.decode_request(given)
    except Malformed:
        return
    ANTHROPIC.encode_request(request, facts, Losses())
    request.origin = "openai_responses"
    ANTHROPIC.encode_request(request, facts, Losses())


@FUZZ
@given(broken([ANSWER]))
def test_a_broken_answer_is_malformed_or_taken(given: Any) -> None:
    try:
        answer = ANTHROPIC.decode_answer(given)
    except Malformed:
        return
    ANTHROPIC.encode_answer(answer, Request("anthropic"))
    CHAT.encode_answer(answer, Request("openai_chat"))


_EVENTS = [json.loads(part.partition(b"data: ")[2]) for part in STREAM.split(b"\n\n") if part]


@FUZZ
@given(st.lists(broken(_EVENTS) | st.sampled_from(_EVENTS), max_size=12))
def test_a_broken_stream_is_a_fault_or_taken(given: list[Any]) -> None:
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in given)
    events = read(ANTHROPIC, data)
    write(ANTHROPIC, events)
    over = [at for at, one in enumerate(events) if isinstance(one, Done | Fault)]
    assert over in ([], [len(events) - 1])
    collect(events)


@FUZZ
@given(st.integers(400, 599), st.binary(max_size=60) | JSON.map(lambda value: json.dumps({"error": value}).encode()))
def test_any_error_is_read(status: int, data: bytes) -> None:
    fault = ANTHROPIC.decode_fault(status, {}, data)
    assert fault.message
    ANTHROPIC.encode_fault(fault)

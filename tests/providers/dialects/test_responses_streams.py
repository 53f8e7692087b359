"""How streams of OpenAI's Responses end when they fail."""

from __future__ import annotations

import json

import pytest

from providers.dialects import load
from providers.neutral import Event, Fault, PartDelta, PartStart, Request, Start, Text

RESPONSES = load("openai_responses")
BEGUN: list[Event] = [Start("resp_1", "m"), PartStart(0, 0, Text()), PartDelta(0, 0, "so far")]


@pytest.mark.parametrize("before", [[], BEGUN], ids=["first", "later"])
def test_a_failure_is_told_as_openai_tells_it(before: list[Event]) -> None:
    encoder = RESPONSES.stream_encoder(Request("test", "m", stream=True))
    fault = Fault("rate_limit", "Slow down.", 429, "rate_limit_exceeded")
    data = b"".join(map(encoder.encode, [*before, fault]))
    events = [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: ")]
    error, failed = events[-2:]
    assert (error["type"], error["code"], error["message"]) == ("error", "rate_limit_exceeded", "Slow down.")
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    decoder = RESPONSES.stream_decoder()
    faults = [event for event in decoder.feed(data) + decoder.end() if isinstance(event, Fault)]
    assert [one.message for one in faults] == ["Slow down."]

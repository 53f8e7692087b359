"""Recorded realtime sessions: every event of a caller passes, and the tokens are those that the provider said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from providers.realtime import FORMS, Form, setup_of
from tests.corpus.conftest import ROOT

SESSIONS = ROOT / "exchanges" / "realtime" / "sessions.jsonl"
ROWS = [json.loads(line) for line in SESSIONS.read_text().splitlines()] if SESSIONS.is_file() else []
COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "audio_in_tokens", "audio_out_tokens")


def name_of(row: dict[str, Any]) -> str:
    return Path(row["source"]["path"]).parent.name + "/" + Path(row["source"]["path"]).stem


def said(events: list[Any]) -> dict[str, int]:
    """The sums as an independent reader finds them."""
    sums = dict.fromkeys(COUNTS, 0)
    for event in events:
        if usage := event.get("usageMetadata"):
            sums["input_tokens"] += usage["promptTokenCount"]
            sums["output_tokens"] += usage.get("responseTokenCount", usage.get("candidatesTokenCount", 0))
            sums["output_tokens"] += usage.get("thoughtsTokenCount", 0)
            for name, kinds in (
                ("in", ("promptTokensDetails",)),
                ("out", ("responseTokensDetails", "candidatesTokensDetails")),
            ):
                for kind in kinds:
                    for detail in usage.get(kind, ()):
                        if detail["modality"] == "AUDIO":
                            sums[f"audio_{name}_tokens"] += detail.get("tokenCount", 0)
        elif event.get("type") == "response.done" and event["response"].get("usage"):
            usage = event["response"]["usage"]
            sums["input_tokens"] += usage["input_tokens"]
            sums["output_tokens"] += usage["output_tokens"]
            sums["cached_tokens"] += usage["input_token_details"].get("cached_tokens", 0)
            sums["audio_in_tokens"] += usage["input_token_details"]["audio_tokens"]
            sums["audio_out_tokens"] += usage["output_token_details"]["audio_tokens"]
    return sums


@pytest.mark.parametrize("row", ROWS, ids=name_of)
@pytest.mark.parametrize("spaced", [False, True])
def test_recorded_sessions(row: dict[str, Any], spaced: bool) -> None:
    events = [(frame["dir"], frame["data"]) for frame in row["frames"] if isinstance(frame.get("data"), dict)]
    google = any("setup" in event for _, event in events)
    form: Form = FORMS["gemini" if google else "openai"]()
    received = []
    for number, (direction, event) in enumerate(events):
        data = json.dumps(event, separators=None if spaced else (",", ":"), ensure_ascii=not spaced).encode()
        if direction == "received":
            received.append(event)
            form.listen(data)
        elif google and "setup" in event:
            setup = setup_of(data)
            assert setup is not None
            assert setup[1]
        else:
            model = event.get("session", {}).get("model", "m")
            judged = form.judge(data, model, model, lambda name: True)
            assert not judged.refusal, (number, judged)
            assert json.loads(judged.data) == event
    wanted = said(received)
    assert {name: getattr(form.usage, name) for name in COUNTS} == wanted
    assert form.told == sum(
        1
        for event in received
        if "usageMetadata" in event or (event.get("type") == "response.done" and event["response"].get("usage"))
    )
    assert not form.answering

"""Every stream of the corpora is understood alike at every split point, by both implementations."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.corpus.rows import Row, read
from tests.speedups.twins import twins

SCANS = twins("_scan")
FACTS = ("events", "content_events", "done", "finished", "failed", "error_event", "malformed")


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Whole; in two at every place (of large streams, at five); byte by byte unless large; in random pieces."""
    yield [data]
    rng = random.Random(len(data))
    large = len(data) > 2_000
    for k in rng.sample(range(len(data)), 5) if large else range(len(data) + 1):
        yield [data[:k], data[k:]]
    if not large:
        yield [data[k : k + 1] for k in range(len(data))]
    for _ in range(5):
        places = sorted(rng.choices(range(len(data) + 1), k=8))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def followed(scan: ModuleType, kind: int, data: bytes, hide: bool = False) -> tuple[bytes, dict[str, Any]]:
    outcomes = []
    for pieces in cuts(data):
        stream = scan.StreamScan(kind, hide)
        relayed = b"".join([stream.feed(piece) for piece in pieces]) + stream.flush()
        facts = {name: getattr(stream, name) for name in FACTS}
        facts |= {"verdict": stream.verdict(), "total": stream.usage.total, "prompt": stream.usage.prompt}
        outcomes.append((relayed, facts))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


def text_of(data: bytes) -> str:
    """The content that an SDK would show; events as the standard defines them, nothing behind ``[DONE]``."""
    text = ""
    for line_end in (b"\r\n", b"\r"):
        data = data.replace(line_end, b"\n")
    for event in data.removeprefix(b"\xef\xbb\xbf").split(b"\n\n"):
        lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
        payload = b"\n".join(lines)
        if payload == b"[DONE]":
            break
        if payload:
            text += "".join(choice["delta"]["content"] for choice in json.loads(payload)["choices"])
    return text


@pytest.fixture(scope="module")
def authored(corpus: Path) -> list[Row]:
    found = read(corpus / "http-torture" / "sse-authored.jsonl")
    assert len(found) == 32
    return found


def test_authored_streams(scan: ModuleType, authored: list[Row]) -> None:
    for row in authored:
        relayed, facts = followed(scan, scan.CHAT, row["raw"])
        name, expected = row["name"], row["expected"]
        if expected == "accept":
            assert facts["verdict"] == scan.CLEAN, name
            assert not facts["malformed"], name
            text = "x" * row["text"] if isinstance(row["text"], int) else row["text"]
            assert text_of(relayed) == text, name
        elif expected in ("truncated", "fault", "fault-or-truncated"):
            assert facts["verdict"] in (scan.TRUNCATED, scan.FAILED), name
            assert (facts["content_events"] == 0) is (expected != "truncated"), name
        else:
            assert expected == "either", name
        if name != "data-after-done":
            assert relayed == row["raw"], name


def test_authored_streams_with_hidden_usage(scan: ModuleType, authored: list[Row]) -> None:
    for row in authored:
        plain, facts = followed(scan, scan.CHAT, row["raw"])
        hidden, hidden_facts = followed(scan, scan.CHAT, row["raw"], hide=True)
        assert facts == hidden_facts, row["name"]
        events = [event for event in plain.split(b"\n\n") if b'"choices":[],"usage":{' not in event]
        assert hidden == b"\n\n".join(events), row["name"]


def test_vectors(scan: ModuleType, corpus: Path) -> None:
    """The number of events with data is that of the standard, and a raw stream is relayed as it came."""
    cases = json.loads((corpus / "sse" / "sse-vectors.json").read_text())["cases"]
    assert len(cases) > 25
    for case in cases:
        data = base64.b64decode(case["input_b64"])
        relayed, facts = followed(scan, scan.RAW, data)
        dispatched = [event["data"] for event in case["events"]]
        assert facts["done"] is ("[DONE]" in dispatched), case["name"]
        assert facts["events"] == len(dispatched) - facts["done"], case["name"]
        assert relayed == data, case["name"]
        unfinished = case["name"].startswith("unterminated-tail")
        assert facts["verdict"] == (scan.TRUNCATED if unfinished else scan.CLEAN), case["name"]


def test_vectors_data(scan: ModuleType, corpus: Path) -> None:
    """The data of each event is read as the standard says: sent as an error event, it is kept byte for byte."""
    for case in json.loads((corpus / "sse" / "sse-vectors.json").read_text())["cases"]:
        data = base64.b64decode(case["input_b64"]).removeprefix(b"\xef\xbb\xbf")
        if not case["events"] or b"event" in data or data.startswith(b":"):
            continue  # the name would be overwritten, or forgotten at the blank line behind the comment
        _, facts = followed(scan, scan.RAW, b"event: error\n" + data)
        assert facts["error_event"] == case["events"][0]["data"].encode(), case["name"]

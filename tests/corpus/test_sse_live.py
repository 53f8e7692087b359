"""Event-stream bodies through a live server: the text arrives, and every fault is visible to the caller."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
import uvloop

from tests.corpus.rows import Row, read
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, http
from tests.live.wire import Outcome, ask, request, split_at, split_bytes, talk


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[Row]:
    return read(corpus / "http-torture" / "sse-authored.jsonl")


def pieces_of(row: Row, way: str) -> list[bytes]:
    raw: bytes = row["raw"]
    if way == "whole":
        return [raw] if raw else []
    if way == "bytes":
        return split_bytes(raw, 600)
    dice = random.Random(f"{row['name']}{way}")
    return split_at(raw, [dice.randrange(len(raw)) for _ in range(7)] if raw else [])


def steps_of(row: Row, way: str) -> list[Step]:
    """Chunked with a proper end, or (``close``) delimited by the end of the connection."""
    if way == "close":
        return [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", row["raw"], Act.CLOSE]
    paused = way.startswith("random")
    steps: list[Step] = [chunked_head()]
    for piece in pieces_of(row, way):
        steps += [chunk(piece), *([0.001] if paused else [])]
    return [*steps, chunk(b"")]


def events_of(body: bytes) -> list[str]:
    """Data of each event, read as the WHATWG standard says (a final event without its blank line included)."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = []
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            found.append("\n".join(data))
    return found


def text_and_error(body: bytes) -> tuple[str, bool, bool]:
    """(text of all deltas, an error event was seen, [DONE] was seen)."""
    text, error, done = "", False, False
    for data in events_of(body):
        if data == "[DONE]":
            done = True
            continue
        try:
            value = json.loads(data)
        except ValueError:
            continue
        if value.get("error"):
            error = True
        for choice in value.get("choices") or []:
            text += (choice.get("delta") or {}).get("content") or ""
    return text, error, done


def judge(row: Row, outcome: Outcome) -> str:
    if outcome.error:
        return f"not HTTP: {outcome.error}"
    if len(outcome.answers) != 1:
        return f"{len(outcome.answers)} answers"
    answer = outcome.answers[0]
    if answer.status >= 500 and answer.status not in (502, 503, 504):
        return f"status {answer.status}"
    text, error, done = text_and_error(answer.body)
    verdict = row["expected"]
    refused = answer.status >= 400 and answer.complete and b'"error"' in answer.body
    cut = answer.status == 200 and error and not done
    if verdict == "accept":
        if answer.status != 200 or not answer.complete or error:
            return f"{answer.status}, complete={answer.complete}, error={error}"
        if row.get("text") is not None and text != row["text"]:
            return f"text {text[:80]!r}"
        return ""
    if verdict == "truncated":
        return "" if cut else f"{answer.status}, error={error}, done={done}, complete={answer.complete}"
    if verdict == "fault":
        return "" if refused else f"{answer.status} {answer.body[:80]!r}"
    if verdict == "fault-or-truncated":
        return "" if refused or cut or not answer.complete else f"{answer.status} {answer.body[:80]!r}"
    return ""


def test_every_row_has_its_verdict(rows: list[Row], start_gateway: Start) -> None:
    ways = ["whole", "bytes", "close", *(f"random-{i}" for i in range(4))]
    named = {row["name"]: row for row in rows}

    def answer(received: Received) -> Iterable[Step]:
        user = json.loads(received.body).get("user")
        if user is None:
            return [http(CHAT)]
        name, _, way = user.partition("|")
        return steps_of(named[name], way)

    with Upstream(answer) as upstream:
        timeouts = {"first_byte": "10s", "stream_idle": "10s", "total": "30s"}
        gateway = start_gateway(configuration(upstream.url, provider={"timeouts": timeouts}, retry={"attempts": 1}))
        assert ask(gateway.port).status == 200
        files, rss = gateway.open_files(), gateway.rss_bytes()
        wrong: list[str] = []

        async def main() -> None:
            slots = asyncio.Semaphore(12)

            async def one(row: Row, way: str) -> None:
                body = json.dumps({"model": "m", "messages": [], "stream": True, "user": f"{row['name']}|{way}"})
                async with slots:
                    outcome = await talk(gateway.port, [request(body=body.encode())], quiet=0.05, total=40)
                verdict = judge(row, outcome)
                if verdict:
                    wrong.append(f"{row['name']} [{way}] {row['expected']}: {verdict}")

            await asyncio.gather(*(one(row, way) for row in rows for way in ways))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        assert not wrong, "\n".join(sorted(wrong))
        gateway.settle(files + 12, rss)


def test_nothing_behind_done_reaches_the_caller(rows: list[Row], start_gateway: Start) -> None:
    row = next(row for row in rows if row["name"] == "data-after-done")
    with Upstream(lambda received: steps_of(row, "whole")) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        answer = ask(gateway.port, request(body=b'{"model":"m","messages":[],"stream":true}'))
        assert answer.body.endswith(b"data: [DONE]\n\n")

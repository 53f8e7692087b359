"""Faults of providers as users have reported them: each is judged by what it means, over a live instance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.rows import Row, read
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head, http, ordinary
from tests.live.wire import ask, request

AWAY, OTHER, AGAIN, CALLER = "another key; this one rests", "another key", "asked again", "the caller's own"

MEANING = {
    ("openai", 429): AWAY,
    ("openai", 400): CALLER,
    ("openai", 520): AGAIN,
    ("any", 520): AGAIN,
    ("ollama", 524): AGAIN,
    ("anthropic", 529): AGAIN,
    ("anthropic", 520): AGAIN,
    ("anthropic", 429): AWAY,
    ("anthropic", 400): AWAY,  # no credit, told as a mistake of the caller's
    ("azure", 400): CALLER,
    ("azure", 404): CALLER,
    ("azure", 401): AWAY,
    ("azure", 429): AWAY,
    ("bedrock", 429): AWAY,
    ("bedrock", 400): CALLER,
    ("vertex", 429): AWAY,
    ("gemini", 429): AWAY,
    ("gemini", 400): AWAY,  # a bad key is a 400 here
    ("groq", 413): CALLER,  # has the code of a rate limit, and no wait cures it
    ("groq", 429): AWAY,
    ("groq", 400): CALLER,
    ("openrouter", 402): AWAY,  # but for what a smaller request would cure, see below
    ("mistral", 429): AWAY,
    ("mistral", 422): CALLER,
    ("deepseek", 402): AWAY,
    ("deepseek", 400): CALLER,
    ("xai", 429): AWAY,
    ("cerebras", 429): AWAY,
}
"""By provider and status, as the rows and their notes tell."""

CURED_BY_A_SMALLER_REQUEST = ("can only afford", "are required to run this request")


def meaning_of(row: Row) -> str:
    if any(words in json.dumps(row) for words in CURED_BY_A_SMALLER_REQUEST):
        return OTHER
    return MEANING[row["provider"], row["status"]]


def body_of(row: Row) -> bytes:
    """As it came, or the message in the form of most providers."""
    if "body" in row:
        return json.dumps(row["body"]).encode()
    if "HTML" in row["message"] or "text/html" in row["message"]:
        return b"<html><title>" + row["message"].encode() + b"</title></html>"
    return json.dumps({"error": {"message": row["message"]}}).encode()


@pytest.fixture(scope="module")
def reported(corpus: Path) -> list[Row]:
    rows = read(corpus / "reported-errors.jsonl")
    assert len(rows) == 46
    return rows


@pytest.fixture(scope="module")
def refusing(reported: list[Row]) -> Iterator[Upstream]:
    """Key ``a`` of the provider ``rN`` is answered with row N, key ``b`` is served."""

    def answer(received: Received) -> list[Step]:
        _, number, key = (received.header("authorization") or "").split("+")
        row = reported[int(number)]
        if key == "b":
            return ordinary(received)
        if row["where"] != "response":
            return [chunked_head(), chunk(b"data: " + json.dumps(row["body"]).encode() + b"\n\n"), chunk(b"")]
        body = body_of(row)
        return [http(body, row["status"], "text/html" if body.startswith(b"<") else "application/json")]

    with Upstream(answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(reported: list[Row], refusing: Upstream, start_for_module: Start) -> Gateway:
    providers = {
        f"r{number}": {
            "dialect": "openai_chat",
            "base_url": refusing.url,
            "keys": [
                {"name": "a", "value": f"sk+{number}+a"},
                {"name": "b", "value": f"sk+{number}+b", "weight": 0},
            ],
        }
        for number in range(len(reported))
    }
    # Nearly everything fails here: no budget would do.
    retry = {"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms", "budget": 10}
    return start_for_module(configuration(refusing.url, providers=providers, routes={}, retry=retry))


def keys_asked(gateway: Gateway, refusing: Upstream, number: int, *, stream: bool = False) -> tuple[list[int], str]:
    """Statuses of two requests, and the keys that the provider saw."""
    refusing.clear()
    body = {"model": f"r{number}/m", "messages": [], "stream": stream}
    statuses = [ask(gateway.port, request(body=json.dumps(body).encode())).status for _ in range(2)]
    return statuses, "".join((r.header("authorization") or "")[-1] for r in refusing.requests)


def test_every_reported_answer_is_judged_by_what_it_means(
    reported: list[Row], gateway: Gateway, refusing: Upstream
) -> None:
    judged = pages = 0
    for number, row in enumerate(reported):
        if row["where"] != "response":
            continue
        judged += 1
        meaning, status = meaning_of(row), row["status"]
        expected = {
            AWAY: ([200, 200], "abb"),
            OTHER: ([200, 200], "abab"),
            AGAIN: ([status, status], "aaaa"),
            CALLER: ([status, status], "aa"),
        }[meaning]
        assert keys_asked(gateway, refusing, number) == expected, f"row {number}: {row}"
        if body_of(row).startswith(b"<"):
            # A page is never passed on: it names addresses, and no SDK could read it.
            answer = ask(gateway.port, request(body=json.dumps({"model": f"r{number}/m"}).encode()))
            assert "error" in json.loads(answer.body)
            pages += 1
    assert (judged, pages) == (39, 4)


def test_errors_in_place_of_the_first_event_are_failed_attempts(
    reported: list[Row], gateway: Gateway, refusing: Upstream
) -> None:
    rows = [
        n
        for n, row in enumerate(reported)
        if row["provider"] == "openrouter" and "body" in row and row["status"] == 200
    ]
    assert rows
    for number in rows:
        assert keys_asked(gateway, refusing, number, stream=True) == ([502, 502], "aaaa")

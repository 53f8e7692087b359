"""Usage and errors found in recorded traffic are those that were recorded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.speedups.twins import twins

SCANS = twins("_scan")
PROVIDERS = (
    *("openai", "azure", "groq", "mistral", "deepseek", "xai", "openrouter", "together", "perplexity", "cerebras"),
    *("ollama", "huggingface", "crusoe", "gpustack", "heroku", "openai-compat-local", "snowflake", "writer", "zai"),
)
CHAT_PATHS = ("chat/completions", "beta/chat/completions", "completions", "responses", "embeddings")


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture(scope="module")
def exchanges(corpus: Path) -> list[dict[str, Any]]:
    """Recorded answers of the OpenAI dialects, as text."""
    found = []
    for provider in PROVIDERS:
        for line in (corpus / "exchanges" / f"{provider}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["endpoint"] in CHAT_PATHS and row.get("response_body_encoding") == "text" and row["response_body"]:
                found.append(row)
    assert len(found) > 800
    return found


def pieces_of(data: bytes, seed: str) -> list[bytes]:
    rng = random.Random(seed)
    places = sorted(rng.choices(range(len(data) + 1), k=min(30, len(data) // 20)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def is_stream(row: dict[str, Any]) -> bool:
    return bool(row["streaming"]) and not row["response_body"].lstrip().startswith(("{", "["))


def is_cut(row: dict[str, Any]) -> bool:
    """Whether the recording stops inside an event."""
    return not row["response_body"].endswith(("\n\n", "\r\n\r\n"))


def documents(body: str) -> Iterator[dict[str, Any]]:
    for line in body.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def recorded(document: dict[str, Any]) -> dict[str, Any] | None:
    """The usage object of an answer or of an event, read the slow way."""
    for holder in (document, document.get("x_groq"), document.get("response")):
        if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
            usage: dict[str, Any] = holder["usage"]
            return usage
    return None


def counts(usage: dict[str, Any]) -> dict[str, int]:
    def first(holder: object, *names: str) -> int:
        for name in names:
            if isinstance(holder, dict) and holder.get(name) is not None:
                return int(holder[name])
        return -1

    came_in = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    went_out = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    return {
        "prompt": first(usage, "prompt_tokens", "input_tokens"),
        "completion": first(usage, "completion_tokens", "output_tokens"),
        "total": first(usage, "total_tokens"),
        "reasoning": max(first(went_out, "reasoning_tokens"), first(usage, "reasoning_tokens")),
        "cached": max(
            first(came_in, "cached_tokens"),
            first(usage, "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens"),
        ),
        "audio_in": first(came_in, "audio_tokens"),
        "audio_out": first(went_out, "audio_tokens"),
    }


def test_answers(scan: ModuleType, exchanges: list[dict[str, Any]]) -> None:
    seen = 0
    for row in exchanges:
        if is_stream(row):
            continue
        try:
            document = json.loads(row["response_body"])
        except ValueError:
            continue
        usage = recorded(document) if isinstance(document, dict) else None
        data = row["response_body"].encode()
        fed, parsed = scan.UsageScan(), scan.UsageScan()
        for piece in pieces_of(data, row["id"]):
            fed.feed(piece)
        parsed.parse(data)
        for found in (fed, parsed):
            if usage is None:
                assert not found.found, row["id"]
            else:
                expected = counts(usage)
                assert {name: getattr(found, name) for name in expected} == expected, row["id"]
                assert found.found is (max(expected["prompt"], expected["completion"], expected["total"]) >= 0), row[
                    "id"
                ]
            assert not found.suspicious, row["id"]
        seen += usage is not None
    assert seen > 600


def test_streams(scan: ModuleType, exchanges: list[dict[str, Any]]) -> None:
    seen = 0
    for row in exchanges:
        if not is_stream(row):
            continue
        kind = scan.RESPONSES if row["endpoint"] == "responses" else scan.CHAT
        data = row["response_body"].encode()
        last = None
        for document in documents(row["response_body"]):
            last = recorded(document) or last
        stream = scan.StreamScan(kind)
        relayed = b"".join([stream.feed(piece) for piece in pieces_of(data, row["id"])]) + stream.flush()
        assert relayed == data, row["id"]
        assert not stream.malformed, row["id"]
        assert stream.usage.found is (last is not None), row["id"]
        if last is not None:
            expected = counts(last)
            assert {name: getattr(stream.usage, name) for name in expected} == expected, row["id"]
            seen += 1
        assert stream.events == sum(1 for _ in documents(row["response_body"])) - is_cut(row), row["id"]
    assert seen > 90


def test_verdicts_of_streams(scan: ModuleType, exchanges: list[dict[str, Any]]) -> None:
    """A recorded stream ended well, or it carries an error, or its recording was cut: each is seen in its text."""
    seen = {scan.CLEAN: 0, scan.TRUNCATED: 0, scan.FAILED: 0}
    for row in exchanges:
        if not is_stream(row):
            continue
        data = row["response_body"].encode()
        stream = scan.StreamScan(scan.RESPONSES if row["endpoint"] == "responses" else scan.CHAT)
        stream.feed(data)
        stream.flush()
        error = [document for document in documents(row["response_body"]) if document.get("error")]
        expected = scan.FAILED if error else scan.TRUNCATED if is_cut(row) else scan.CLEAN
        assert stream.verdict() == expected, row["id"]
        assert stream.error_event in data, row["id"]
        seen[expected] += 1
    assert min(seen.values()) > 0, seen


def test_the_usage_event_can_be_hidden(scan: ModuleType, exchanges: list[dict[str, Any]]) -> None:
    hidden = 0
    for row in exchanges:
        if not is_stream(row) or row["endpoint"] == "responses":
            continue
        data = row["response_body"].encode()
        stream = scan.StreamScan(scan.CHAT, True)
        relayed = b"".join([stream.feed(piece) for piece in pieces_of(data, row["id"])]) + stream.flush()
        before, after = list(documents(row["response_body"])), list(documents(relayed.decode()))
        left_out = [document for document in before if document.get("choices") == [] and document.get("usage")]
        assert after == [document for document in before if document not in left_out], row["id"]
        hidden += len(left_out)
    assert hidden > 10

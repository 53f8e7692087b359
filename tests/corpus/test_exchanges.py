"""Recorded exchanges through a live gateway: the provider sees the caller's bytes, the caller the provider's."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.records import UsageSource
from gateway.stores.protocols import LogRow
from providers.vendors import VENDORS
from tests.corpus.recorded import Exchange, Provider, Usage, read, usage_of, without_usage_event
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head
from tests.live.wire import Answer, split_at, talk

ROUNDS = 2
"""Splits of each answer."""
ADDED = b'"stream_options":{"include_usage":true}'


@pytest.fixture(scope="module")
def exchanges(corpus: Path) -> dict[str, Exchange]:
    return {e.id: e for e in read(corpus / "exchanges")}


class Replay:
    """Serves the recording that the request's ``x-case`` names, in pieces cut at random places."""

    def __init__(self, exchanges: dict[str, Exchange]) -> None:
        self.exchanges = exchanges
        self.received: dict[str, Received] = {}

    def answer(self, received: Received) -> Iterable[Step]:
        case = received.header("x-case") or ""
        self.received[case] = received
        e = self.exchanges[case.partition("|")[0]]
        dice = random.Random(case)
        pieces = split_at(e.answer, [dice.randrange(len(e.answer) + 1) for _ in range(dice.randrange(1, 9))])
        fields = [f"{name}: {value}" for name, value in e.fields if name != "content-type"]
        content_type = dict(e.fields).get("content-type", "application/json")
        if e.streaming or dice.random() < 0.3:
            steps: list[Step] = [chunked_head(content_type, e.status, fields)]
            for piece in pieces:
                steps += [chunk(piece), 0.0]
            return [*steps, chunk(b"")]
        lines = [f"HTTP/1.1 {e.status} X", f"Content-Type: {content_type}", f"Content-Length: {len(e.answer)}", *fields]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        steps = [head]
        for piece in pieces:
            steps += [piece, 0.0]
        return steps


def configuration_for(exchanges: Iterable[Exchange], upstream: Upstream) -> dict[str, Any]:
    needed: dict[str, Provider] = {}
    operations: dict[str, set[str]] = {}
    for e in exchanges:
        assert needed.setdefault(e.provider.name, e.provider) == e.provider, e.provider
        if e.operation not in ("", "object"):
            operations.setdefault(e.provider.name, set()).add(e.operation)
    providers: dict[str, Any] = {}
    for name, p in needed.items():
        vendor = VENDORS[p.vendor]
        providers[name] = {
            "vendor": p.vendor,
            "base_url": upstream.url.removesuffix("/v1") + p.prefix,
            "keys": [{"name": "k", "value": "sk-upstream-canary"}],
            "forward_headers": ["x-case"],
            **({"query": p.query} if p.query else {}),
        }
        lacking = operations.get(name, set()) - set(vendor.operations)
        if lacking:
            providers[name]["operations"] = sorted({*vendor.operations, *lacking})
    return {
        "providers": providers,
        "virtual_keys": [
            {"name": f"for-{name}", "value": key_for(name), "stateful": f"{name}/k"} for name in providers
        ],
        "retry": {"attempts": 1},
    }


def key_for(provider: str) -> str:
    return f"sk-test-6f1d2c3b4a5968778695a4b3-{provider}"


def request_for(e: Exchange, case: str) -> bytes:
    body = e.sent(e.provider.name)
    lines = [
        f"{e.method} {e.caller_path} HTTP/1.1",
        "Host: gateway.test",
        f"Authorization: Bearer {key_for(e.provider.name)}",
        f"X-Case: {case}",
    ]
    if body or e.method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    if e.content_type:
        lines.append(f"Content-Type: {e.content_type}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def replay(exchanges: Iterable[Exchange], gateway: Gateway) -> dict[str, Answer | None]:
    """Every exchange ``ROUNDS`` times: case -> the answer the caller got."""
    answers: dict[str, Answer | None] = {}

    async def main() -> None:
        slots = asyncio.Semaphore(24)

        async def one(e: Exchange, turn: int) -> None:
            case = f"{e.id}|{turn}"
            async with slots:
                outcome = await talk(gateway.port, [request_for(e, case)], quiet=0.0)
            answers[case] = outcome.answers[0] if len(outcome.answers) == 1 and not outcome.error else None

        await asyncio.gather(*(one(e, turn) for e in exchanges for turn in range(ROUNDS)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return answers


def judge_request(e: Exchange, received: Received) -> tuple[str, bool]:
    """(what is wrong with what the provider saw, whether usage was asked for on the caller's behalf)."""
    if received.method != e.method or received.target != e.upstream_target:
        return f"asked {received.method} {received.target}, recorded {e.method} {e.upstream_target}", False
    credential = f"{received.header('authorization')}{received.header('api-key')}"
    if "sk-upstream-canary" not in credential or key_for("") in received.head.decode("latin-1"):
        return f"credential {credential}", False
    if received.body == e.recorded:
        return "", False
    ours, theirs = received.body, e.recorded
    start = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(theirs))
    tail = len(theirs) - start
    if tail and ours.endswith(theirs[start:]) and ours[start : len(ours) - tail] in (b"," + ADDED, ADDED):
        return "", True
    try:
        if json.loads(ours) == {**json.loads(theirs), "stream_options": {"include_usage": True}}:
            return "", True
    except ValueError:
        pass
    return f"the body differs at {start}: {ours[start : start + 80]!r} for {theirs[start : start + 80]!r}", False


def judge_answer(e: Exchange, answer: Answer | None, asked: bool) -> str:
    if answer is None:
        return "no answer"
    if answer.status != e.status:
        return f"status {answer.status} instead of {e.status}: {answer.body[:120]!r}"
    if e.cut:
        told = answer.body.startswith(e.answer) and b'"error"' in answer.body[len(e.answer) :] and not answer.complete
        return "" if told else f"a cut stream ended {answer.body[-160:]!r}, complete={answer.complete}"
    if not answer.complete:
        return f"cut: {answer.body[-160:]!r}"
    expected = without_usage_event(e.answer) if asked else e.answer
    if answer.body != expected:
        return f"{len(answer.body)} bytes instead of {len(expected)}, ends {answer.body[-80:]!r} / {expected[-80:]!r}"
    return ""


@dataclass
class Replayed:
    """What one replay of everything brought."""

    received: dict[str, Received]
    answers: dict[str, Answer | None]
    trail: dict[str, LogRow]


@pytest.fixture(scope="module")
def replayed(exchanges: dict[str, Exchange], start_for_module: Start) -> Replayed:
    replaying = Replay(exchanges)
    with Upstream(replaying.answer, keep=False) as upstream:
        gateway = start_for_module(configuration_for(exchanges.values(), upstream))
        answers = replay(exchanges.values(), gateway)
        return Replayed(replaying.received, answers, trail_of(gateway))


def test_bytes_are_the_recorded_ones(exchanges: dict[str, Exchange], replayed: Replayed) -> None:
    wrong = []
    for case, answer in replayed.answers.items():
        e = exchanges[case.partition("|")[0]]
        received = replayed.received.get(case)
        if received is None:
            wrong.append(f"{case} {e.caller_path}: never asked: {answer and (answer.status, answer.body[:160])}")
            continue
        fault, asked = judge_request(e, received)
        fault = fault or judge_answer(e, answer, asked)
        if fault:
            wrong.append(f"{case} {e.caller_path}: {fault}")
    assert not wrong, f"{len(wrong)} of {len(replayed.answers)}:\n" + "\n".join(sorted(wrong))


def test_usage_is_the_recorded_one(exchanges: dict[str, Exchange], replayed: Replayed) -> None:
    wrong = []
    judged = 0
    for case, answer in replayed.answers.items():
        e = exchanges[case.partition("|")[0]]
        assert answer is not None
        row = replayed.trail.get(answer.header("x-microgate-request-id") or "")
        if row is None:
            wrong.append(f"{case}: no record")
        elif e.operation and e.status < 400:
            judged += 1
            fault = judge_usage(usage_of(e), row)
            if fault:
                wrong.append(f"{case} {e.caller_path}: {fault}")
    assert not wrong, f"{len(wrong)} of {judged}:\n" + "\n".join(sorted(wrong))
    assert judged > 1500


def judge_usage(recorded: Usage | None, row: LogRow) -> str:
    found = (row.prompt_tokens, row.completion_tokens, max(row.cached_tokens, 0), max(row.reasoning_tokens, 0))
    if recorded is None:
        return f"usage {found} from nowhere" if row.usage_source == UsageSource.PROVIDER else ""
    wanted = (recorded.prompt, recorded.completion, recorded.cached, recorded.reasoning)
    if row.usage_source != UsageSource.PROVIDER or found != wanted:
        return f"usage {found} from {UsageSource(row.usage_source).name}, recorded {wanted}"
    return ""

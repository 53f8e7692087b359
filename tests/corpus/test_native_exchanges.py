"""Recorded exchanges of dialects that are none of OpenAI's, through a live gateway between equals: bytes pass."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pytest
import uvloop

from gateway.records import UsageSource
from gateway.stores.protocols import LogRow
from providers.dialects import load
from providers.neutral import Done, Usage
from tests.corpus.dialect_rows import Row, directory, rows
from tests.live.fixtures import Start
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head
from tests.live.wire import KEY, Answer, split_at, talk

pytestmark = pytest.mark.skipif(directory() is None, reason="the recorded exchanges are not here")

DIALECTS = ("anthropic", "bedrock", "bedrock_invoke", "cohere", "gemini")
ROUNDS = 2
"""Splits of each answer; the second time the provider's name stands before the model's."""
LEFT_OUT = {"content-length", "transfer-encoding", "connection", "content-encoding", "date"}


@dataclass(frozen=True)
class Case:
    id: str
    dialect: str
    row: Row
    target: str
    """What the caller asks for."""
    body: bytes
    expected: bytes
    """What the provider has to see."""

    def request(self) -> bytes:
        lines = [
            f"POST {self.target} HTTP/1.1",
            "Host: gateway.test",
            f"Authorization: Bearer {KEY}-{provider_of(self.dialect)}",
            f"X-Case: {self.id}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def spelled(value: object, seed: str) -> bytes:
    """JSON in one of several spellings, always the same for a seed."""
    dice = random.Random(seed)
    separators = (",", ":") if dice.random() < 0.5 else (", ", ": ")
    text = json.dumps(value, ensure_ascii=dice.random() < 0.5, separators=separators, indent=dice.choice([None, 1]))
    return text.encode("utf-8", "surrogatepass")


def cases() -> Iterator[Case]:
    for dialect in DIALECTS:
        for row in rows(dialect):
            if row.request is None:
                continue
            for turn in range(ROUNDS):
                yield case_of(dialect, row, turn)


def provider_of(dialect: str) -> str:
    return "bedrock" if dialect == "bedrock_invoke" else dialect


def case_of(dialect: str, row: Row, turn: int) -> Case:
    body = expected = spelled(row.request, row.id)
    before = f"{provider_of(dialect)}/" if turn else ""
    path = row.path.partition("?")[0]
    if dialect in ("anthropic", "cohere"):
        if turn:
            body = spelled({**row.request, "model": before + row.request["model"]}, row.id)
        target = "/anthropic/v1/messages" if dialect == "anthropic" else "/cohere/v2/chat"
    elif dialect.startswith("bedrock"):
        _, _, model, method = path.split("/", 3)
        target = f"/bedrock/model/{quote(before, safe='')}{model}/{method}"
    else:
        model, _, method = path.rpartition("/")[2].partition(":")
        alt = "?alt=sse" if method.startswith("stream") else ""
        target = f"/genai/v1beta/models/{quote(before, safe='')}{model}:{method}{alt}"
    return Case(f"{row.id}|{turn}", dialect, row, target, body, expected)


def answering(known: dict[str, Case], received: dict[str, Received]) -> object:
    def answer(asked: Received) -> Iterable[Step]:
        name = asked.header("x-case") or ""
        received[name] = asked
        row = known[name].row
        dice = random.Random(name)
        fields = [f"{key}: {value}" for key, value in row.headers.items() if key not in {*LEFT_OUT, "content-type"}]
        steps: list[Step] = [chunked_head(row.headers.get("content-type", "application/json"), row.status, fields)]
        places = [dice.randrange(len(row.answer) + 1) for _ in range(dice.randrange(1, 9))]
        for piece in split_at(row.answer, places):
            if piece:
                steps += [chunk(piece), 0.0]
        return [*steps, chunk(b"")]

    return answer


@dataclass
class Replayed:
    cases: dict[str, Case]
    received: dict[str, Received]
    answers: dict[str, Answer | None]
    trail: dict[str, LogRow]


@pytest.fixture(scope="module")
def replayed(corpus: object, start_for_module: Start) -> Replayed:
    known = {case.id: case for case in cases()}
    received: dict[str, Received] = {}
    answers: dict[str, Answer | None] = {}
    with Upstream(answering(known, received), keep=False) as upstream:  # type: ignore[arg-type]
        origin = upstream.url.removesuffix("/v1")
        providers = {
            dialect: {
                "dialect": dialect,
                "base_url": origin,
                "keys": [{"name": "k", "value": "sk-upstream-canary"}],
                "forward_headers": ["x-case"],
                "list_models": False,
            }
            for dialect in map(provider_of, DIALECTS)
        }
        # Some refer to files and containers, which belong to one account.
        virtual = [{"name": name, "value": f"{KEY}-{name}", "stateful": f"{name}/k"} for name in providers]
        gateway = start_for_module({"providers": providers, "virtual_keys": virtual, "retry": {"attempts": 1}})

        async def main() -> None:
            slots = asyncio.Semaphore(24)

            async def one(case: Case) -> None:
                async with slots:
                    outcome = await talk(gateway.port, [case.request()], quiet=0.0)
                answers[case.id] = outcome.answers[0] if len(outcome.answers) == 1 and not outcome.error else None

            await asyncio.gather(*map(one, known.values()))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        return Replayed(known, received, answers, trail_of(gateway))


def fault_of(case: Case, received: Received | None, answer: Answer | None) -> str:
    row = case.row
    if answer is None or received is None:
        return f"no answer, or never asked: {answer and answer.body[:200]!r}"
    if received.body != case.expected:
        at = next((i for i, (a, b) in enumerate(zip(received.body, case.expected, strict=False)) if a != b), -1)
        return f"the provider saw other bytes: {received.body[at - 40 : at + 40]!r}, {len(received.body)}"
    if unquote(received.target.partition("?")[0]) not in unquote(case.target).replace(
        f"{provider_of(case.dialect)}/", ""
    ) and (case.dialect != "gemini"):
        return f"asked at {received.target}"
    if "sk-upstream-canary" not in received.head.decode("latin-1") or KEY in received.head.decode("latin-1"):
        return "credentials"
    if answer.status != row.status:
        return f"status {answer.status} instead of {row.status}: {answer.body[:200]!r}"
    if row.cut and not ends(case):
        told = answer.body.startswith(row.answer) and len(answer.body) > len(row.answer) and not answer.complete
        return "" if told else f"a cut stream ended {answer.body[-160:]!r}"
    if answer.body != row.answer:
        return f"{len(answer.body)} bytes instead of {len(row.answer)}: {answer.body[-100:]!r} {row.answer[-100:]!r}"
    return "" if answer.complete else "cut"


def test_bytes_are_the_recorded_ones(replayed: Replayed) -> None:
    wrong = [
        f"{name} {case.target}: {fault}"
        for name, case in replayed.cases.items()
        if (fault := fault_of(case, replayed.received.get(name), replayed.answers[name]))
    ]
    assert not wrong, f"{len(wrong)} of {len(replayed.cases)}:\n" + "\n".join(sorted(wrong))
    assert {case.dialect for case in replayed.cases.values()} == set(DIALECTS)


def test_usage_is_the_recorded_one(replayed: Replayed) -> None:
    wrong, judged = [], 0
    for name, case in replayed.cases.items():
        answer = replayed.answers[name]
        if case.row.status >= 300 or case.row.cut or answer is None:
            continue
        row = replayed.trail[answer.header("x-microgate-request-id") or ""]
        wanted = usage_of(case)
        if wanted is None:
            continue
        judged += 1
        found = (row.prompt_tokens, row.completion_tokens, max(row.cached_tokens, 0))
        if row.usage_source != UsageSource.PROVIDER or found != (
            wanted.input_tokens,
            wanted.output_tokens,
            wanted.cached_tokens,
        ):
            wrong.append(f"{name} {case.target}: {found} from {row.usage_source}, recorded {wanted}")
    assert not wrong, f"{len(wrong)} of {judged}:\n" + "\n".join(sorted(wrong))
    assert judged > 500


def ends(case: Case) -> bool:
    """Some recordings are as long as those that were cut, and whole."""
    decoder = load(case.dialect).stream_decoder()
    return any(isinstance(event, Done) for event in decoder.feed(case.row.answer) + decoder.end())


def usage_of(case: Case) -> Usage | None:
    dialect = load(case.dialect)
    if not case.row.streaming:
        return dialect.decode_answer(case.row.json()).usage
    decoder = dialect.stream_decoder()
    told = [event for event in decoder.feed(case.row.answer) + decoder.end() if isinstance(event, Usage)]
    return told[-1] if told else None

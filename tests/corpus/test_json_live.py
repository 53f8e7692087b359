"""340 documents as bodies and inside bodies: JSON passes byte for byte, anything else gets a 400, none a 500."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvloop

from tests.corpus.rows import Row, read
from tests.live.instance import Gateway
from tests.live.upstreams import Upstream
from tests.live.wire import ask, request, talk


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[Row]:
    return read(corpus / "json-torture" / "jsontestsuite.jsonl")


def statuses_of(gateway: Gateway, bodies: dict[str, bytes]) -> dict[str, int]:
    """Status of each body posted as a chat request; 0 when no whole answer came."""
    found: dict[str, int] = {}

    async def main() -> None:
        slots = asyncio.Semaphore(16)

        async def one(name: str, body: bytes) -> None:
            async with slots:
                outcome = await talk(gateway.port, [request(body=body)], quiet=0.0)
            found[name] = outcome.answers[0].status if outcome.answers and outcome.answers[0].complete else 0

        await asyncio.gather(*(one(name, body) for name, body in bodies.items()))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return found


def is_json(body: bytes) -> bool | None:
    """Whether ``body`` is RFC 8259 JSON by another reader's judgement; None when that reader gives up."""

    def constant(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        json.loads(body.decode("utf-8"), parse_constant=constant)
    except RecursionError:
        return None
    except ValueError:
        return False
    return True


def test_documents_as_bodies(rows: list[Row], shared_gateway: Gateway) -> None:
    found = statuses_of(shared_gateway, {row["name"]: row["raw"] for row in rows})
    wrong = []
    for row in rows:
        status = found[row["name"]]
        # No document names a model, so even a good one ends with a 400, and an empty body may be told apart.
        allowed = {400, 411} if not row["raw"] else {400}
        if status not in allowed:
            wrong.append(f"{row['name']} {row['expected']}: {status}")
    assert not wrong, "\n".join(wrong)
    assert ask(shared_gateway.port).status == 200


def test_documents_inside_a_body(rows: list[Row], shared_gateway: Gateway, shared_upstream: Upstream) -> None:
    shared_upstream.clear()
    bodies = {row["name"]: b'{"model":"m","messages":[],"x":' + row["raw"] + b"}" for row in rows}
    found = statuses_of(shared_gateway, bodies)
    wrong = []
    for row in rows:
        status, valid = found[row["name"]], is_json(bodies[row["name"]])
        if row["expected"] == "accept" and status != 200:
            wrong.append(f"{row['name']} accept: {status}")
        elif valid is False and status != 400:
            wrong.append(f"{row['name']} {row['expected']} (no JSON): {status}")
        elif status not in (200, 400):
            wrong.append(f"{row['name']} {row['expected']}: {status}")
    assert not wrong, "\n".join(wrong)
    upstream_bodies = {r.body for r in shared_upstream.requests}
    passed = {bodies[name] for name, status in found.items() if status == 200}
    assert upstream_bodies == passed


WORST: dict[str, Any] = {
    "deep-arrays": b"[" * 524_288,
    "deep-objects": b'{"a":' * 200_000,
    "long-string": b'"' + b"a" * 1_048_576 + b'"',
    "escapes": b'"' + b"\\u0000" * 170_000 + b'"',
    "many-members": b"{" + b",".join(b'"%d":0' % i for i in range(120_000)) + b"}",
    "long-number": b"1" * 1_048_576,
    "spaces": b" " * 1_048_576 + b"0",
    "surrogates": b'"' + b"\\ud800" * 170_000 + b'"',
    "unclosed-string": b'"' + b"a" * 1_048_576,
}


@pytest.mark.parametrize("name", WORST)
def test_a_mebibyte_of_the_worst_is_judged(name: str, shared_gateway: Gateway) -> None:
    body = b'{"model":"m","messages":[],"x":' + WORST[name] + b"}"
    answer = ask(shared_gateway.port, request(body=body))
    assert answer.status == (400 if name.startswith(("deep", "unclosed", "long-number")) else 200), answer.body[:200]

"""Hostile upstream answers over a live server: each row has its verdict, and none is matched to another request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.corpus.rows import Row, read
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, http
from tests.live.wire import KEY, Answer, Outcome, ask, request, talk

LANES = 16
"""Rows at a time, each lane with a provider (and so a pool) of its own."""
BAD = {502, 504}

DATA_AFTER_CLOSE = "extra bytes behind a complete answer end the connection, as in the row cl-excess; llhttp fails"
LENIENT_ON_PASSTHROUGH = {
    "llhttp-response-connection-07-http-1-1-with-keep-alive-disabled-content-length-lenient": DATA_AFTER_CLOSE,
    "llhttp-response-connection-08-http-1-1-with-keep-alive-disabled-content-length": DATA_AFTER_CLOSE,
}
INCOMPLETE = {
    "llhttp-response-connection-18-http-103-first-then-200": "declares 17 bytes and holds 16: it ends in a cut"
}
NEVER_RELAYED = ("set-cookie", "x-secret", "keep-alive", "proxy-authenticate", "access-control-allow-origin", "link")


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[Row]:
    folder = corpus / "http-torture"
    return read(folder / "responses-authored.jsonl", folder / "responses-llhttp.jsonl")


class Torturer:
    """Answers a request whose body or query names a row with that row's bytes, any other with a chat completion."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = {row["name"]: row for row in rows}
        self.connections: dict[str, int] = {}

    def answer(self, received: Received) -> Iterable[Step]:
        name = json.loads(received.body)["user"]
        row = self.rows.get(name)
        self.connections.setdefault(name, received.connection)
        if row is None:
            return [http(CHAT)]
        raw: bytes = row["raw"]
        return [*([raw] if raw else []), *([Act.CLOSE] if row.get("eof") else [])]


def configuration_for(upstream: Upstream) -> dict[str, Any]:
    timeouts = {"first_byte": "1s", "stream_idle": "1s", "total": "3s"}
    provider = {"dialect": "openai_chat", "base_url": upstream.url, "timeouts": timeouts}
    return {
        "providers": {
            f"p{i}": {**provider, "keys": [{"name": "k", "value": "sk-upstream-canary"}]} for i in range(LANES)
        },
        "virtual_keys": [{"name": "test", "value": KEY}],
        "retry": {"attempts": 1},
    }


def asking(lane: int, user: str, passthrough: bool) -> bytes:
    body = json.dumps({"model": f"p{lane}/m", "messages": [], "user": user}).encode()
    return request(path=f"/passthrough/p{lane}/chat/completions" if passthrough else "/v1/chat/completions", body=body)


def judge(row: Row, outcome: Outcome, passthrough: bool) -> str:
    if outcome.error:
        return f"what came back is not HTTP: {outcome.error}"
    if len(outcome.answers) != 1:
        return f"{len(outcome.answers)} answers"
    answer = outcome.answers[0]
    leaked = [name for name in NEVER_RELAYED if answer.header(name) is not None]
    if leaked:
        return f"relayed {leaked}"
    expected = row["expected"]
    if expected == "either":
        return ""
    if expected == "reject-502":
        if passthrough and (row["name"] in LENIENT_ON_PASSTHROUGH or status_of(row) == 204):
            return ""
        cut = row.get("eof") and not answer.complete
        return "" if answer.status in BAD or cut else f"{answer.status} {answer.body[:60]!r}"
    if not answer.complete:
        return "" if row["name"] in INCOMPLETE else "the answer was cut"
    if answer.status != status_of(row):
        return f"{answer.status} instead of {status_of(row)}"
    if answer.status in (204, 304):
        return ""
    return (
        "" if answer.body in row["raw"] or b"chunked" in row["raw"].lower() else f"another body: {answer.body[:60]!r}"
    )


def status_of(row: Row) -> int:
    """The status of the row's last head; 0 when it is none."""
    raw: bytes = row["raw"].lstrip(b"\r\n")
    while raw[:10] in (b"HTTP/1.1 1", b"HTTP/1.0 1"):
        raw = raw.partition(b"\r\n\r\n")[2].lstrip(b"\r\n")
    code = raw[9:12]
    return int(code) if code.isdigit() else 0


def test_every_row_has_its_verdict_and_poisons_nothing(rows: list[Row], start_gateway: Start) -> None:
    torturer = Torturer(rows)
    early = {"early": True}

    def answer_early(head: bytes) -> list[Step] | None:
        return [torturer.rows["early-response"]["raw"], 0.2, Act.CLOSE] if b"x-early: 1" in head.lower() else None

    with Upstream(torturer.answer, early=answer_early) as upstream:
        config = configuration_for(upstream)
        config["providers"]["p0"]["forward_headers"] = ["x-early"]
        gateway = start_gateway(config)
        assert ask(gateway.port, asking(0, "warm", False)).status == 200
        files, rss = gateway.open_files(), gateway.rss_bytes()
        # llhttp's accepted answers are no chat completions: their framing is judged on the route that relays anything.
        jobs = [
            (row, passthrough)
            for row in rows
            for passthrough in (False, True)
            if not row.get(*early) and (passthrough or row["expected"] != "accept" or "parser_type" not in row)
        ]
        jobs = [(row, way) for row, way in jobs if not (way and "parser_type" not in row)]
        wrong = run(jobs, gateway, torturer)
        answer = ask(gateway.port, early_request())
        assert (answer.status, answer.body) == (413, b"{}")
        assert not wrong, f"{len(wrong)} of {len(jobs)}:\n" + "\n".join(wrong)
        assert not dialled(gateway, "169.254.169.254")
        gateway.settle(files + 2 * LANES, rss)
        for lane in range(LANES):
            assert ask(gateway.port, asking(lane, "after", False)).body == CHAT


def early_request() -> bytes:
    body = json.dumps({"model": "p0/m", "messages": ["x" * (4 << 20)], "user": "early"}).encode()
    return request(body=body, fields=[("x-early", "1")])


def run(jobs: list[tuple[Row, bool]], gateway: Gateway, torturer: Torturer) -> list[str]:
    wrong: list[str] = []
    queue = list(reversed(jobs))

    async def lane(number: int) -> None:
        while queue:
            row, passthrough = queue.pop()
            name = f"{row['name']}{' [passthrough]' if passthrough else ''} {row['expected']}"
            torturer.connections.pop(row["name"], None)
            outcome = await talk(gateway.port, [asking(number, row["name"], passthrough)], quiet=0.02)
            verdict = judge(row, outcome, passthrough)
            if verdict:
                wrong.append(f"{name}: {verdict}")
            follow = f"after-{row['name']}-{passthrough}"
            plain = await talk(gateway.port, [asking(number, follow, False)], quiet=0.0)
            if [a.body for a in plain.answers] != [CHAT]:
                wrong.append(f"{name}: the next request got {[(a.status, a.body[:60]) for a in plain.answers]}")
            if row.get("no_reuse") and torturer.connections[follow] == torturer.connections[row["name"]]:
                wrong.append(f"{name}: the connection was used again")

    async def main() -> None:
        await asyncio.gather(*(lane(i) for i in range(LANES)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return wrong


def dialled(gateway: Gateway, address: str) -> bool:
    """Whether a worker has (or just had) a connection to this IPv4 address."""
    wanted = bytes(int(part) for part in reversed(address.split("."))).hex().upper()
    return any(f" {wanted}:" in Path(f"/proc/{pid}/net/tcp").read_text() for pid in gateway.worker_pids())


def test_fallback_after_a_hostile_answer(start_gateway: Start, rows: list[Row]) -> None:
    """What is refused counts as a failed attempt: the next target answers."""
    torturer = Torturer(rows)
    with Upstream(torturer.answer) as hostile, Upstream() as good:
        provider = {"dialect": "openai_chat", "keys": [{"name": "k", "value": "sk-upstream-canary"}]}
        config = {
            "providers": {
                "bad": {**provider, "base_url": hostile.url, "timeouts": {"first_byte": "1s"}},
                "good": {**provider, "base_url": good.url},
            },
            "routes": {"m": {"targets": ["bad/m"], "fallbacks": ["good/m"]}},
            "virtual_keys": [{"name": "test", "value": KEY}],
            "retry": {"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"},
        }
        gateway = start_gateway(config)
        wrong = []
        for row in rows:
            if row["expected"] != "reject-502" or "parser_type" in row or row["name"].startswith("redirect"):
                continue
            body = json.dumps({"model": "m", "messages": [], "user": row["name"]}).encode()
            answer: Answer = ask(gateway.port, request(body=body))
            if (answer.status, answer.body) != (200, CHAT):
                wrong.append(f"{row['name']}: {answer.status} {answer.body[:80]!r}")
        assert not wrong, "\n".join(wrong)

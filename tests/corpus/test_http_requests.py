"""Hostile request streams over a live server: the verdict of every row, whole, byte by byte and split at random."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import uvloop

from tests.corpus.rows import Row, read
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import Outcome, ask, request, split_at, split_bytes, split_whole, talk

AT_ONCE = 96
BYTEWISE_AT_ONCE = 10
"""Streams sent byte by byte keep this process busy: more of them at a time, and each would outlast its time-out."""
SMUGGLED = b"/__smuggled__"
FRAMING_REFUSALS = {408, 413, 414, 431, 501, 505}

NO_HOST = "HTTP/1.1 without Host has to be answered 400 (RFC 9112, 3.2); the row judges a parser alone"
STRICTER = {
    "llhttp-request-sample-09-prefix-newline": NO_HOST,
    "llhttp-request-sample-15-request-starting-with-crlf": NO_HOST,
}
"""Rows marked ``accept`` that a server must refuse all the same."""


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[Row]:
    folder = corpus / "http-torture"
    return read(folder / "requests-authored.jsonl", folder / "requests-llhttp.jsonl")


@pytest.fixture
def impatient(upstream: Upstream, start_gateway: Start) -> Gateway:
    """Gives up on unfinished requests after four seconds, so that rows which stop in the middle end within the test."""
    limits = {"header_timeout": "4s", "body_timeout": "4s", "body_grace": "4s"}
    return start_gateway(configuration(upstream.url, server={"limits": limits}))


def expected_of(row: Row) -> str:
    return "reject-4xx" if row["name"] in STRICTER else str(row["expected"])


def judge(row: Row, outcome: Outcome) -> str:
    """Empty when the outcome is right, else what is wrong with it."""
    final, expected = outcome.statuses, expected_of(row)
    wanted = row.get("n_requests")
    refusals = [s for s in final if s >= 400]
    if outcome.error:
        return f"the answer is not HTTP: {outcome.error}"
    if any(not a.complete for a in outcome.answers):
        return "an answer was cut short"
    if any(s >= 500 and s not in (501, 505) for s in final):
        return f"5xx: {final}"
    if SMUGGLED in outcome.received:
        return "the canary's path came back"
    prefix = row.get("must_not_route")
    if prefix and any(a.status < 400 and b'"object":"list"' not in a.body.replace(b" ", b"") for a in outcome.answers):
        return f"something under {prefix} was reached: {final}"
    if row.get("canary") and len(final) > (wanted or 0) + (expected != "accept"):
        return f"an answer too many: {final}"
    if row.get("max_ok_requests") is not None and sum(s < 400 for s in final) > row["max_ok_requests"]:
        return f"too many requests accepted: {final}"
    if row.get("close") and not outcome.closed:
        return f"not closed after {final}"
    if expected == "reject-4xx":
        return judge_refusal(row, outcome, final, wanted or 0)
    if expected == "accept":
        if not final:
            return "no answer"
        if set(final) & FRAMING_REFUSALS or (400 in final and outcome.closed and not row.get("close")):
            return f"refused: {final}"
        if wanted and len(final) != wanted:
            return f"{len(final)} answers instead of {wanted}"
        return ""
    if final and len(refusals) > 1 and outcome.closed and not wanted:
        return f"more than one error: {final}"
    return ""


def judge_refusal(row: Row, outcome: Outcome, final: list[int], before: int) -> str:
    if not final:
        if outcome.closed and (row.get("close_ok") or not outcome.sent_all):
            return ""
        return "closed without an answer" if outcome.closed else "no answer, not closed"
    tail = final[before:] if len(final) > before else final[-1:]
    allowed = row.get("statuses")
    if len(tail) > 1 and not row.get("allow_app"):
        return f"more than one answer: {final}"
    if any(not (400 <= s < 500 or s in (501, 505)) for s in tail):
        return f"accepted: {final}"
    if allowed and any(s not in allowed for s in tail):
        return f"{tail} is none of {allowed}"
    if not row.get("allow_app") and not outcome.closed:
        return f"not closed after {final}"
    return ""


def ways(row: Row) -> dict[str, list[bytes]]:
    """The stream whole, byte by byte and cut three times at random (always at the same points)."""
    raw: bytes = row["raw"]
    dice = random.Random(row["name"])
    pieces = {"whole": split_whole(raw), "bytes": split_bytes(raw, 700)}
    for i in range(3):
        points = sorted(
            dice.sample(range(1, max(len(raw), 2)), min(len(raw) - 1, 1 + dice.randrange(6)) if raw[1:] else 0)
        )
        pieces[f"random-{i}"] = split_at(raw, points)
    return pieces


async def send(row: Row, port: int, pieces: list[bytes]) -> Outcome:
    expected = expected_of(row)
    return await talk(
        port,
        pieces,
        half_close=bool(row.get("half_close")),
        expect=row.get("n_requests") if expected == "accept" else None,
        quiet=0.4,
        until_closed=expected == "reject-4xx" and not row.get("allow_app"),
        methods=methods_of(row["raw"]),
    )


def methods_of(raw: bytes) -> list[str]:
    """The method of the first request; a corpus row never has HEAD behind another one."""
    return [raw.lstrip(b"\r\n").split(b" ", 1)[0].decode("latin-1", "replace")]


def run_all(jobs: list[tuple[Row, str, list[bytes]]], port: int) -> dict[tuple[str, str], Outcome]:
    outcomes: dict[tuple[str, str], Outcome] = {}

    async def main() -> None:
        slots, narrow = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(BYTEWISE_AT_ONCE)

        async def one(row: Row, way: str, pieces: list[bytes]) -> None:
            async with narrow if way == "bytes" else slots:
                outcomes[row["name"], way] = await send(row, port, pieces)

        await asyncio.gather(*(one(*job) for job in jobs))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return outcomes


def test_every_row_has_its_verdict_however_it_is_split(rows: list[Row], impatient: Gateway, upstream: Upstream) -> None:
    assert ask(impatient.port).status == 200
    upstream.clear()
    files, rss = impatient.open_files(), impatient.rss_bytes()
    jobs = [(row, way, pieces) for row in rows for way, pieces in ways(row).items()]
    outcomes = run_all(jobs, impatient.port)
    # Among hundreds of connections a sender may be slower than the gateway's patience: what looks wrong is taken again,
    # alone, and that counts.
    for row in rows:
        results = {way: outcome for (name, way), outcome in outcomes.items() if name == row["name"]}
        doubtful = any(judge(row, outcome) for outcome in results.values())
        if doubtful or len({tuple(outcome.statuses) for outcome in results.values()}) > 1:
            for job in jobs:
                if job[0] is row:
                    outcomes |= run_all([job], impatient.port)
    wrong = []
    for row in rows:
        results = {way: outcome for (name, way), outcome in outcomes.items() if name == row["name"]}
        verdicts = {way: judge(row, outcome) for way, outcome in results.items()}
        wrong += [f"{row['name']} [{way}] {row['expected']}: {verdict}" for way, verdict in verdicts.items() if verdict]
        if len({tuple(o.statuses) for o in results.values()}) > 1:
            wrong.append(f"{row['name']}: splits differ: { {way: o.statuses for way, o in results.items()} }")
    assert not wrong, f"{len(wrong)} of {len(jobs)}:\n" + "\n".join(wrong)
    assert not [r.target for r in upstream.requests if SMUGGLED in r.head + r.body or "canary" in r.target]
    # Idle connections to the provider are kept for a minute: no leak.
    upstream.each_open(lambda transport: transport.close())
    impatient.settle(files, rss)
    assert ask(impatient.port).status == 200


def test_a_refused_stream_gets_one_error_and_the_end(rows: list[Row], impatient: Gateway, upstream: Upstream) -> None:
    """With a second request behind each stream that has to be refused: nothing of it is ever answered or forwarded."""
    behind = request(path=SMUGGLED.decode()) + request(body=b'{"model":"m","messages":"__smuggled__"}')
    refused = [
        row
        for row in rows
        if expected_of(row) == "reject-4xx" and not row.get("allow_app") and not row.get("half_close")
    ]
    jobs = [(row, "behind", [row["raw"] + behind]) for row in refused if not row.get("n_requests")]
    assert len(jobs) > 300
    outcomes = run_all(jobs, impatient.port)
    wrong = [
        f"{name}: {o.statuses} closed={o.closed} {o.error}"
        for (name, _), o in outcomes.items()
        if not o.closed or len(o.statuses) > 1 or any(s < 400 for s in o.statuses) or o.error
    ]
    assert not wrong, "\n".join(wrong)
    assert not upstream.requests

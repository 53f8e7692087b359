"""The request log through the API: filters by name, one request, everything as a file."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups._bucket import RingWriter
from gateway.control.log_entries import LogEntry, entry_of
from gateway.control.log_export import AT_ONCE, PAGE_ROWS, TooManyExports, exported, written
from gateway.control.log_reading import LogReading
from gateway.records import CacheVerdict, Kind, Outcome
from gateway.snapshot.model import id_hash
from gateway.stores.log_query import LogQuery
from gateway.stores.sqlite_log import SqliteLog
from tests.control.process import Control, UnixConnection, wait_for
from tests.control.trail_records import exchange
from tests.stores.rows import row


@pytest.fixture(scope="module")
def filled(running: Control) -> Iterator[Control]:
    ring = RingWriter(running.paths.ring(0), 0, 1, running.paths.spill(0), 256 << 10)
    ring.push(exchange(1, total_us=2_000_000, cost_nanodollars=5_000))
    ring.push(exchange(2, status=429, outcome=int(Outcome.REFUSED), error_kind=8, provider=0, attempt=0, attempts=0))
    ring.push(exchange(3, stream=1, cache_verdict=int(CacheVerdict.HIT), virtual_key=id_hash("file:virtual_key/bob")))
    ring.push(exchange(4, kind=int(Kind.ATTEMPT), status=500, attempt=1, model=b"=cmd|' /C calc'!A0"))
    ring.push(exchange(4, attempt=2, attempts=2, model=b"=cmd|' /C calc'!A0", target_model=b"gpt-5"))
    wait_for(lambda: len(found(running, "attempts=true")) == 5, "the records")
    yield running
    ring.close()


def found(control: Control, query: str) -> list[int]:
    answer = control.get(f"/api/logs?limit=1000&{query}")
    assert answer.status == 200, answer.body
    return [int(entry["request_id"], 16) for entry in answer.json["entries"]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("outcome=refused", [2]),
        ("error=rate_limited", [2]),
        ("operation=chat", [4, 3, 2, 1]),
        ("operation=embeddings", []),
        ("cache=hit", [3]),
        ("stream=true", [3]),
        ("stream=false", [4, 2, 1]),
        ("min_ms=1999.5", [1]),
        ("min_cost=5000&max_cost=5000", [1]),
        ("max_ms=0.9", []),
        ("team=nobody", []),
        ("customer=nobody", []),
        ("search=BOB", [3]),
        ("search=alice+-calc", [2, 1]),
        ("search=%22c+calc%22", [4]),
        ("search=gpt-5", [4]),
        ("search=mock+nowhere", []),
        (f"search={3:032x}", [3]),
        ("search=bob&stream=false", []),
    ],
)
def test_filters(filled: Control, query: str, numbers: list[int]) -> None:
    assert found(filled, query) == numbers


@pytest.mark.parametrize(
    "query",
    ["outcome=well", "error=-", "cache=2", "operation=", "stream=2", "min_ms=-1", "max_cost=x", "min_cost=1e99",
     "search=-only", "search=" + "+".join("abcdefghijklmnopq"), "request_id=zz", "since=nan"],
)  # fmt: skip
def test_what_is_no_filter_is_refused(filled: Control, query: str) -> None:
    assert filled.get(f"/api/logs?{query}").status == 400
    assert filled.get(f"/api/logs/export?{query}").status == 400


def test_one_request_with_its_attempts(filled: Control) -> None:
    answer = filled.get(f"/api/logs/{4:032x}").json
    assert [(entry["kind"], entry["attempt"]) for entry in answer["entries"]] == [("exchange", 2), ("attempt", 1)]
    assert answer["content"] is None
    for nothing in (f"{99:032x}", "zz", "00"):
        assert filled.get(f"/api/logs/{nothing}").status == 404


def test_a_file_of_comma_separated_values(filled: Control) -> None:
    answer = filled.get("/api/logs/export?attempts=true")
    assert (answer.status, answer.content_type) == (200, "text/csv; charset=utf-8")
    assert 'filename="requests.csv"' in answer.fields["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert list(rows[0]) == list(LogEntry.__struct_fields__)
    assert [int(line["request_id"], 16) for line in rows] == [4, 4, 3, 2, 1]
    assert rows[0]["model"] == "'=cmd|' /C calc'!A0"
    assert rows[2]["stream"] == "true"


def test_a_file_of_documents(filled: Control) -> None:
    answer = filled.get("/api/logs/export?format=jsonl&search=bob")
    assert (answer.status, answer.content_type) == (200, "application/jsonl")
    (line,) = answer.body.splitlines()
    assert json.loads(line) == filled.get("/api/logs?search=bob").json["entries"][0]
    assert filled.get("/api/logs/export?format=xml").status == 400


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(cell: str) -> None:
    """I9."""
    entry = entry_of(row(1, model=cell, target_model=f"a{cell}", dropped=f"{cell},b"), {})
    (line,) = csv.DictReader(
        io.StringIO(written([entry], "csv").decode(), newline=""), fieldnames=LogEntry.__struct_fields__
    )
    assert (line["model"], line["target_model"]) == (f"'{cell}", f"a{cell}")
    assert line["dropped_parameters"] == f"'{cell} b"
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in line.values())


def test_as_many_files_at_once_as_there_are_places(store: SqliteLog) -> None:
    asyncio.run(_as_many_at_once(store))


async def _as_many_at_once(store: SqliteLog) -> None:
    store.append([row(i) for i in range(PAGE_ROWS + 1)], {})
    reading = LogReading(store)
    files = [await exported(reading, LogQuery(), "jsonl", {}) for _ in range(AT_ONCE)]
    with pytest.raises(TooManyExports, match="exports are under way"):
        await exported(reading, LogQuery(), "jsonl", {})
    pieces = [piece async for piece in files.pop()]
    assert [len(piece.splitlines()) for piece in pieces] == [PAGE_ROWS, 1]
    assert reading.exports == AT_ONCE - 1
    # Given up before it began, and in the middle.
    files.clear()
    assert reading.exports == 0
    file = await exported(reading, LogQuery(), "jsonl", {})
    assert await anext(file)
    del file
    assert reading.exports == 0
    with pytest.raises(ValueError, match="cursor"):
        await exported(_Broken(), LogQuery(), "jsonl", {})  # type: ignore[arg-type]
    reading.close()


class _Broken:
    exports = 0

    async def page(self, query: LogQuery) -> None:
        raise ValueError("not a cursor")


def test_whoever_leaves_gives_the_place_back(filled: Control) -> None:
    ring = RingWriter(filled.paths.ring(1), 1, 1, filled.paths.spill(1), 4 << 20)
    for number in range(5000):
        ring.push(exchange(1000 + number, model=b"many"))
    wait_for(lambda: len(found(filled, "model=many")) == 1000, "the records")
    for _ in range(AT_ONCE + 2):
        wait_for(lambda: left_early(filled), "a place")
    wait_for(lambda: filled.get("/api/logs/export?model=many").body.count(b"\n") == 5001, "all rows")
    ring.close()


def left_early(control: Control) -> bool:
    """Read a little of a file and go."""
    connection: http.client.HTTPConnection = UnixConnection(control.paths.admin_socket)
    fields = {"authorization": f"Bearer {control.token()}"}
    connection.request("GET", "/api/logs/export?format=jsonl&model=many", None, fields)
    answer = connection.getresponse()
    answer.read(10)
    connection.close()
    return answer.status == 200


def test_reading_gives_way(tmp_path: Path) -> None:
    async def niceness() -> int:
        reading = LogReading(SqliteLog(str(tmp_path / "log")))
        return await reading.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    assert asyncio.run(niceness()) >= 10

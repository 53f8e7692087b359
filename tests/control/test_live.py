"""Requests as they end, for those who watch, and nothing for the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from _speedups._bucket import RingWriter
from gateway.control.live import (
    MOST_ENTRIES,
    MOST_LISTENERS,
    MOST_NOTICES,
    MOST_WAITING,
    Filter,
    Listener,
    Live,
    TooManyListeners,
)
from gateway.control.trail import signed
from gateway.records import Kind
from gateway.snapshot.model import id_hash
from tests.control.process import Control, UnixConnection
from tests.control.trail_records import PROVIDER, SMALL_RING, exchange, values_of

ALICE = signed(id_hash("file:virtual_key/alice"))


def seen(listener: Listener) -> tuple[list[int], int]:
    """Numbers of the requests, and how many were skipped."""
    rows, skipped = listener.taken_rows()
    return [int.from_bytes(row.request_id, "big") for row in rows], skipped


async def offered(live: Live, *records: Any) -> None:
    """From another thread, as the ingest thread does, one record at a time."""

    def offer() -> None:
        for record in records:
            live.offer(values_of(record))

    thread = threading.Thread(target=offer)
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)


def test_nobody_wants_anything_until_somebody_listens() -> None:
    async def run() -> None:
        live = Live()
        before, listener = live.wanted, live.listen(Filter())
        assert (before, live.wanted) == (False, True)
        await offered(
            live, exchange(1), exchange(2, kind=int(Kind.ATTEMPT)), exchange(3, kind=int(Kind.SHADOW)), exchange(4)
        )
        assert listener.news.is_set()
        assert seen(listener) == ([1, 4], 0)
        assert seen(listener) == ([], 0)
        assert listener.taken_figures().requests == 2
        assert listener.taken_figures().requests == 0
        live.leave(listener)
        assert not live.wanted
        await offered(live, exchange(5))
        assert seen(listener) == ([], 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), [1, 2, 3, 4, 5]),
        (Filter(provider=frozenset((signed(id_hash(PROVIDER)), 5))), [1, 2, 3, 4, 5]),
        (Filter(provider=frozenset((5,))), []),
        (Filter(virtual_key=frozenset((7,))), [2]),
        (Filter(team=frozenset((9,))), [3]),
        (Filter(model="mock/m"), [1, 2, 3, 5]),
        (Filter(model="x"), [4]),
        (Filter(status=500), [4]),
        (Filter(errors=True), [4, 5]),
        (Filter(errors=True, status=200), []),
    ],
)  # fmt: skip
def test_filters(wanted: Filter, expected: list[int]) -> None:
    async def run() -> None:
        live = Live()
        listener = live.listen(wanted)
        await offered(
            live, exchange(1), exchange(2, virtual_key=7), exchange(3, team=9),
            exchange(4, status=500, model=b"r", target_model=b"x"), exchange(5, status=0),
        )  # fmt: skip
        assert seen(listener) == (expected, 0)
        assert listener.taken_figures().requests == len(expected)

    asyncio.run(run())


def test_who_reads_slowly_is_told_how_much_was_skipped() -> None:
    async def run() -> None:
        live = Live()
        slow, picky = live.listen(Filter()), live.listen(Filter(status=500))
        await offered(live, *(exchange(number) for number in range(MOST_ENTRIES + 30)), exchange(999, status=500))
        numbers, skipped = seen(slow)
        assert (numbers, skipped) == (list(range(MOST_ENTRIES)), 31)
        assert seen(picky) == ([999], 0)
        assert slow.taken_figures().requests == MOST_ENTRIES + 31

    asyncio.run(run())


def test_a_loop_that_does_not_come_to_it_keeps_no_more_than_a_bound() -> None:
    async def run() -> None:
        live = Live()
        listener = live.listen(Filter())
        piece = values_of(*(exchange(number) for number in range(500)))
        for _ in range(MOST_WAITING // 500 + 3):
            live.offer(piece)
        await asyncio.sleep(0)
        numbers, skipped = seen(listener)
        assert len(numbers) + skipped == MOST_WAITING + 1500
        assert listener.taken_figures().requests == MOST_WAITING

    asyncio.run(run())


def test_at_most_so_many_listen_and_a_place_is_free_again() -> None:
    async def run() -> None:
        live = Live()
        listeners = [live.listen(Filter()) for _ in range(MOST_LISTENERS)]
        with pytest.raises(TooManyListeners, match=str(MOST_LISTENERS)):
            live.listen(Filter())
        live.leave(listeners.pop())
        live.listen(Filter())

    asyncio.run(run())


def test_everybody_is_told_of_alerts_and_sent_away_at_the_end() -> None:
    async def run() -> None:
        live = Live()
        listener = live.listen(Filter(status=500))
        for number in range(MOST_NOTICES + 5):
            live.tell("config", number)
        assert list(listener.notices)[-1] == ("config", MOST_NOTICES + 4)
        assert len(listener.notices) == MOST_NOTICES
        listener.news.clear()
        live.close()
        assert (live.closed, listener.news.is_set()) == (True, True)

    asyncio.run(run())


# -- the stream


class Stream:
    """GET /api/live at the admin socket."""

    def __init__(self, control: Control, query: str = "", **headers: str) -> None:
        self.connection = UnixConnection(control.paths.admin_socket)
        self.connection.request("GET", f"/api/live{query}", headers=headers)
        self.response = self.connection.getresponse()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Name and data; ends with the stream."""
        name = ""
        while line := self.response.readline():
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line[6:])

    def close(self) -> None:
        self.connection.close()


def test_a_request_is_told_as_the_log_tells_it(running: Control) -> None:
    authorization = f"Bearer {running.token()}"
    stream = Stream(running, "?key=alice&status=418", authorization=authorization)
    assert (stream.response.status, stream.response.getheader("content-type")) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    writer = RingWriter(running.paths.ring(0), 0, 1, running.paths.spill(0), SMALL_RING)
    writer.push(exchange(4001, status=418))
    writer.push(exchange(4002))
    entries: list[Any] = []
    figures: list[Any] = []
    for name, data in stream.events():
        if name == "requests":
            assert data["skipped"] == 0
            entries += data["entries"]
        elif name == "figures":
            figures.append(data)
            if entries:
                break
    stream.close()
    writer.close()
    [entry] = entries
    [logged] = running.get("/api/logs?status=418").json["entries"]
    assert entry == logged
    assert sum(each["requests"] for each in figures) == sum(each["errors"] for each in figures) == 1
    assert {each["in_flight"] for each in figures} == {0}
    assert figures[-1]["duration_us"]["count"] == 1


def test_it_wants_to_know_who_watches(running: Control) -> None:
    stream = Stream(running)
    assert stream.response.status == 401
    stream.close()


@pytest.mark.parametrize(
    "query", ["status=x", "status=1000", "status=-1", "errors=maybe", "provider=" + "x" * 600, "model=" + "x" * 600]
)
def test_what_makes_no_sense_is_refused(running: Control, query: str) -> None:
    answer = running.get(f"/api/live?{query}")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")


def test_nothing_is_heard_of_who_does_not_exist(running: Control) -> None:
    stream = Stream(running, "?provider=nobody&key=nobody&team=nobody", authorization=f"Bearer {running.token()}")
    name, figures = next(stream.events())
    assert (stream.response.status, name, figures["requests"]) == (200, "figures", 0)
    stream.close()


def session_of(control: Control, name: str) -> str:
    """The cookie of a new viewer of this name, who has logged in."""
    password = "a-long-password"
    made = control.send_json("POST", "/api/operators", {"name": name, "role": "viewer", "password": password})
    assert made.status == 201, made.body
    asked = json.dumps({"name": name, "password": password}).encode()
    login = control.ask("POST", "/api/login", asked, content_type="application/json")
    return login.fields["set-cookie"].partition(";")[0]


def test_watching_keeps_no_session_alive(running: Control) -> None:
    stream = Stream(running, cookie=session_of(running, "eve"))
    assert next(stream.events())
    with contextlib.closing(sqlite3.connect(running.paths.control_db)) as database, database:
        # As after half an hour without a request: it would be prolonged if this were one.
        now_us = time.time_ns() // 1000
        changed = database.execute(
            "UPDATE credentials SET used_us = ?, expires_us = ? WHERE kind = 'session' AND expires_us > 0",
            (now_us - 1_800_000_000, now_us + 1_000_000),
        ).rowcount
    assert changed >= 1
    assert {name for name, _ in stream.events()} <= {"figures", "config", "requests"}
    stream.close()


def test_it_ends_with_the_session_and_with_the_process(control: Control) -> None:
    cookie = session_of(control, "ann")
    watching, other = Stream(control, cookie=cookie), Stream(control, authorization=f"Bearer {control.token()}")
    assert next(watching.events())
    logged_out = control.ask("POST", "/api/logout", cookie=cookie, sec_fetch_site="same-origin")
    assert logged_out.status == 204
    assert {name for name, _ in watching.events()} <= {"figures", "config"}
    assert next(other.events())
    control.end()
    assert {name for name, _ in other.events()} <= {"figures", "config"}
    watching.close()
    other.close()

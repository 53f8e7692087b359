"""A line for each request, and nobody who waits for it."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.telemetry import AccessLogEntry
from gateway.control.access_log import AccessLog
from gateway.control.record_tap import RecordTap
from gateway.control.trail import WIDTH
from gateway.records import ErrorKind, Kind, Outcome
from tests.control.trail_records import NAMES, exchange, values_of
from tests.waiting import wait_for

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "access-log.md").read_text()


@pytest.fixture
def log() -> Iterator[AccessLog]:
    made = AccessLog(lambda: NAMES)
    yield made
    made.close()


def put(log: AccessLog, *records: Any) -> None:
    assert log.tap is not None
    log.tap.put(values_of(*records))


def lines(path: Path, count: int) -> list[dict[str, Any]]:
    def there() -> list[str]:
        found = path.read_text().splitlines() if path.exists() else []
        return found if len(found) >= count else []

    return [json.loads(line) for line in wait_for(there, f"{count} lines")]


def test_a_request_is_a_line_with_what_is_documented(log: AccessLog, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log.follow(AccessLogEntry(path=str(path)))
    put(log, exchange(1, cost_nanodollars=1_500_000, cached_tokens=4), exchange(2, kind=int(Kind.ATTEMPT)))
    put(log, exchange(3, status=500, outcome=int(Outcome.UPSTREAM_ERROR), error_kind=int(ErrorKind.UPSTREAM_SERVER)))
    first, second = lines(path, 2)
    assert (first["request_id"], first["virtual_key"], first["provider"]) == (f"{1:032x}", "alice", "mock")
    assert (first["cost_usd"], first["cached_tokens"], first["kind"]) == (0.0015, 4, "exchange")
    assert first["time"] == "2027-01-15T08:00:00Z"
    assert (second["status"], second["outcome"], second["error"]) == (500, "upstream_error", "upstream_server")
    [example] = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert list(json.loads(example)) == list(first)
    table = PAGE.partition("| field | |")[2]
    assert {name for name in first if f"`{name}`" not in table} == set()
    # Counted behind the write.
    wait_for(lambda: log.written == 2, "both lines are counted")
    assert (path.stat().st_mode & 0o777, log.dropped) == (0o640, 0)


def test_attempts_have_lines_where_they_are_asked_for(log: AccessLog, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log.follow(AccessLogEntry(path=str(path), attempts=True))
    put(
        log, exchange(1, kind=int(Kind.ATTEMPT)), exchange(1, attempt=2, attempts=2), exchange(2, kind=int(Kind.SHADOW))
    )
    assert [line["kind"] for line in lines(path, 2)] == ["attempt", "exchange"]


def test_a_renamed_file_is_left_when_it_is_opened_again(log: AccessLog, tmp_path: Path) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    log.follow(AccessLogEntry(path=str(path)))
    put(log, exchange(1))
    lines(path, 1)
    os.rename(path, old)
    put(log, exchange(2))
    lines(old, 2)
    log.reopen()
    put(log, exchange(3))
    assert [line["request_id"] for line in lines(path, 1)] == [f"{3:032x}"]
    assert len(lines(old, 2)) == 2


def test_another_path_is_followed_and_none_ends_it(log: AccessLog, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    log.follow(AccessLogEntry(path=str(one)))
    put(log, exchange(1))
    log.follow(AccessLogEntry(path=str(other)))
    put(log, exchange(2))
    log.follow(AccessLogEntry())
    assert log.tap is None
    assert [len(lines(path, 1)) for path in (one, other)] == [1, 1]


def test_a_full_disk_loses_lines_and_counts_them(log: AccessLog, caplog: pytest.LogCaptureFixture) -> None:
    log.follow(AccessLogEntry(path="/dev/full"))
    put(log, exchange(1), exchange(2))
    wait_for(lambda: log.dropped == 2, "two lost lines")
    put(log, exchange(3))
    wait_for(lambda: log.dropped == 3, "another one")
    assert log.problem
    # Told once, not with every line.
    assert len([each for each in caplog.records if "access log" in each.getMessage()]) == 1


def test_half_a_line_takes_no_whole_one_along(log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "access.log"
    write, room = os.write, 1500

    def filling(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "full")
        room -= (done := write(fd, data[:room]))
        return done

    monkeypatch.setattr("gateway.control.access_log.os.write", filling)
    log.follow(AccessLogEntry(path=str(path)))
    put(log, exchange(1), exchange(2))
    wait_for(lambda: log.dropped == 1, "a lost line")
    put(log, exchange(3))
    wait_for(lambda: log.dropped == 2, "another one")
    room = 1 << 20
    put(log, exchange(4))
    found = wait_for(lambda: path.read_text().endswith("\n") and path.read_text().splitlines(), "the disk")
    assert [json.loads(found[at])["request_id"] for at in (0, 2)] == [f"{1:032x}", f"{4:032x}"]
    # Counted behind the write.
    wait_for(lambda: log.written == 2, "both whole lines are counted")
    assert (len(found), log.dropped) == (3, 2)


def test_a_folder_that_comes_back_is_written_to_again(log: AccessLog, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    log.follow(AccessLogEntry(path=str(folder / "access.log")))
    put(log, exchange(1))
    wait_for(lambda: log.dropped == 1, "a lost line")
    folder.mkdir()
    put(log, exchange(2))
    assert len(lines(folder / "access.log", 1)) == 1
    wait_for(lambda: not log.problem, "the end of the problem")


def test_a_link_is_not_followed(log: AccessLog, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    log.follow(AccessLogEntry(path=str(link)))
    put(log, exchange(1))
    wait_for(lambda: log.dropped == 1, "a lost line")
    assert not target.exists()


def test_whoever_is_slow_loses_records_and_holds_up_nobody() -> None:
    tap = RecordTap(most=3)
    for number in range(5):
        tap.put(values_of(exchange(number + 1)))
    assert tap.dropped == 2
    assert [len(piece) // WIDTH for piece in tap.take(0)] == [1, 1, 1]
    tap.put(values_of(exchange(9)))
    assert (len(tap.take(0)), tap.dropped) == (1, 2)
    assert tap.take(0) == []

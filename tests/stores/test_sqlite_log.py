"""What only the SQLite log promises: its files, its one writer, its answers to a full or broken disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores.protocols import LogQuery, LogRow, StoreUnavailable
from gateway.stores.sqlite_log import LogLimits, SqliteLog
from gateway.stores.sqlite_rules import connect_reader
from gateway.stores.sqlite_segment import OpenSegment, rows_between
from tests.stores.conftest import Clock
from tests.stores.rows import row

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteLog]:
    store = SqliteLog(str(tmp_path / "log"), clock=clock)
    yield store
    store.close()


def segments(directory: str) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".db"))


def integrity(path: str) -> str:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_files_are_private(store: SqliteLog) -> None:
    store.append([row(1)], {})
    assert os.stat(store.directory).st_mode & 0o077 == 0
    modes = {name: os.stat(os.path.join(store.directory, name)).st_mode & 0o777 for name in os.listdir(store.directory)}
    assert len(modes) == 4  # segment, its WAL and index, the lock
    assert set(modes.values()) == {0o600}


def test_a_second_writer_is_refused(store: SqliteLog) -> None:
    with pytest.raises(StoreUnavailable, match="another process"):
        SqliteLog(store.directory)


def test_an_open_segment_has_no_index_and_a_closed_one_is_one_indexed_file(store: SqliteLog, clock: Clock) -> None:
    store.append([row(1)], {})
    clock.now += HOUR
    store.append([row(2)], {})
    first, second = segments(store.directory)
    store.maintain()
    count = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'log'"
    for name, indexes in ((first, 5), (second, 0)):
        connection = sqlite3.connect(os.path.join(store.directory, name))
        assert connection.execute(count).fetchone()[0] == indexes
        connection.close()
    assert not os.path.exists(os.path.join(store.directory, first + "-wal"))


def test_a_large_segment_is_followed_by_another_within_the_hour(tmp_path: Path, clock: Clock) -> None:
    store = SqliteLog(str(tmp_path / "log"), limits=LogLimits(segment_bytes=1), clock=clock)
    for i in range(3):
        store.append([row(i)], {(0, 0): (1, i)})
    assert segments(store.directory) == ["2027-01-15T08-1.db", "2027-01-15T08-2.db", "2027-01-15T08.db"]
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [2, 1, 0]
    store.close()


def test_a_clock_set_back_does_not_reopen_an_older_segment(store: SqliteLog, clock: Clock) -> None:
    store.append([row(1)], {})
    clock.now += HOUR
    store.append([row(2)], {})
    clock.now -= 5 * HOUR
    store.append([row(3)], {})
    assert len(segments(store.directory)) == 2
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [3, 2, 1]


def test_retention_by_age(tmp_path: Path, clock: Clock) -> None:
    store = SqliteLog(str(tmp_path / "log"), limits=LogLimits(max_age_s=2.5 * HOUR), clock=clock)
    for i in range(5):
        store.append([row(i)], {})
        clock.now += HOUR
    store.maintain()
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [4, 3, 2]
    clock.now += 1000 * HOUR
    store.maintain()
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [4]
    store.close()


def test_retention_by_size_drops_the_oldest(tmp_path: Path, clock: Clock) -> None:
    store = SqliteLog(str(tmp_path / "log"), clock=clock)
    for i in range(5):
        store.append([row(i * 1000 + j) for j in range(300)], {})
        clock.now += HOUR
    store.maintain()
    whole = store.status().bytes
    store.limits = LogLimits(max_bytes=whole // 2)
    store.maintain()
    assert store.status().bytes <= whole // 2
    assert {entry.sequence // 1000 for entry in store.page(LogQuery(limit=1000)).rows} >= {4}
    assert store.page(LogQuery(request_id=row(1).request_id)).rows == []
    store.close()


def test_a_damaged_segment_is_set_aside_and_said(tmp_path: Path, clock: Clock) -> None:
    store = SqliteLog(str(tmp_path / "log"), clock=clock)
    store.append([row(i) for i in range(200)], {})
    store.close()
    (name,) = segments(store.directory)
    path = os.path.join(store.directory, name)
    with open(path, "r+b") as file:
        file.write(b"x" * 8192)
    damaged = Path(path).read_bytes()
    store = SqliteLog(store.directory, clock=clock)
    assert store.append([row(1000)], {}) == 1
    assert Path(path + ".damaged").read_bytes() == damaged
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [1000]
    assert any("damaged" in note for note in store.status().notes)
    store.close()


def test_a_database_of_another_program_is_not_written_to(tmp_path: Path, clock: Clock) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    foreign = directory / "2027-01-15T08.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE precious (x)")
    connection.close()
    before = foreign.read_bytes()
    store = SqliteLog(str(directory), clock=clock)
    store.append([row(1)], {})
    store.close()
    assert Path(f"{foreign}.damaged").read_bytes() == before
    connection = sqlite3.connect(f"{foreign}.damaged")
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("precious",)]
    connection.close()


def test_an_io_error_is_not_believed_away(store: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append([row(1)], {})
    segment = store._segment
    assert segment is not None
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(segment, "append", fail)
    with pytest.raises(StoreUnavailable):
        store.append([row(2)], {})
    assert not store.status().ok
    assert store.append([row(2)], {}) == 1
    assert store._segment is not segment
    assert store.status().ok
    assert [entry.sequence for entry in store.page(LogQuery()).rows] == [2, 1]


def test_a_full_disk_refuses_and_recovers(store: SqliteLog) -> None:
    """A cap on the database's pages answers as a full disk does: SQLITE_FULL."""
    store.append([row(1)], {})
    segment = store._segment
    assert segment is not None
    segment._connection.execute("PRAGMA max_page_count=12")
    with pytest.raises(StoreUnavailable, match="full"):
        store.append([row(i) for i in range(10, 2000)], {(0, 0): (1, 2000)})
    assert store.positions() == {}
    segment._connection.execute("PRAGMA max_page_count=1000000")
    assert store.append([row(i) for i in range(10, 2000)], {(0, 0): (1, 2000)}) == 1990
    assert integrity(segment.path) == "ok"


_WRITER = """
import os, sys
sys.path.insert(0, {root!r})
from gateway.stores.sqlite_log import SqliteLog
from tests.stores.rows import row
store = SqliteLog(sys.argv[1])
start = store.positions().get((0, 0), (1, 0))[1]
while True:
    batch = range(start + 1, start + 51)
    store.append([row(i) for i in batch], {{(0, 0): (1, batch[-1])}})
    start = batch[-1]
    os.write(1, b"%d\\n" % start)
"""


def test_kill_9_of_the_writer_loses_no_acknowledged_row(tmp_path: Path) -> None:
    directory = str(tmp_path / "log")
    root = str(Path(__file__).resolve().parents[2])
    acknowledged = 0
    for round_ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER.format(root=root), directory], stdout=subprocess.PIPE, cwd=root
        )
        assert writer.stdout is not None
        for _ in range(3 + 5 * round_):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split(b"\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])
        writer.stdout.close()
        writer.wait()
        for name in segments(directory):
            assert integrity(os.path.join(directory, name)) == "ok"
    store = SqliteLog(directory)
    stored, cursor = [], None
    while True:
        page = store.page(LogQuery(limit=1000, cursor=cursor))
        stored += [entry.sequence for entry in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert len(stored) == len(set(stored))
    assert set(stored) >= set(range(1, acknowledged + 1))
    assert store.positions()[0, 0] == (1, max(stored))
    store.close()


def test_reading_goes_on_beside_the_writer_in_another_process(store: SqliteLog) -> None:
    store.append([row(1)], {})
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from gateway.stores.sqlite_rules import connect_reader\n"
        "reader = connect_reader(sys.argv[1])\n"
        "print(reader.execute('SELECT count(*) FROM log').fetchone()[0])\n"
        "try: reader.execute('DELETE FROM log')\n"
        "except Exception as error: print(error)\n"
        "reader.close()\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    path = os.path.join(store.directory, segments(store.directory)[0])
    done = subprocess.run([sys.executable, "-c", code, path, root], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1\nattempt to write a readonly database")
    assert store.append([row(2)], {}) == 1


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_segment_of_an_earlier_program_goes_on(tmp_path: Path, version: int) -> None:
    """Its rows and positions are read, and new rows are stored beside them. Format 1 had no column for the caller's
    address; 1 and 2 had a unique key, not the positions of spilled records; none had team and customer."""
    path = tmp_path / "old.db"
    columns = LogRow._fields[: {1: -3, 2: -2, 3: -2}[version]]
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"CREATE TABLE log (id INTEGER PRIMARY KEY, {', '.join(columns)}, UNIQUE (slot, epoch, sequence))"
        )
        if version == 3:
            connection.execute("CREATE TABLE position (slot, spilled, epoch, sequence, PRIMARY KEY (slot, spilled))")
        else:
            connection.execute("CREATE TABLE ring_position (slot INTEGER, epoch INTEGER, sequence INTEGER)")
        connection.execute("CREATE TABLE closed (first_us INTEGER, last_us INTEGER, row_count INTEGER)")
        connection.execute(f"PRAGMA user_version = {version}")
        marks = ", ".join("?" * len(columns))
        connection.execute("INSERT INTO log VALUES (1, %s)".__mod__(marks), row(1)[: len(columns)])
        if version == 3:
            connection.execute("INSERT INTO position VALUES (0, 0, 2, 5), (1, 0, 1, 9)")
        else:
            connection.execute("INSERT INTO ring_position VALUES (0, 1, 1), (0, 2, 5), (1, 1, 9)")
    connection.close()
    reader = connect_reader(str(path))
    assert [found for _, found in rows_between(reader, 1, 9, (), (), 9)] == [row(1)]
    reader.close()
    segment = OpenSegment(str(path), {})
    assert segment.positions() == {(0, 0): (2, 5), (1, 0): (1, 9)}
    new = row(2, client=bytes(16), team=7, customer=-8)
    assert segment.append([row(1), new], {(0, 0): (2, 6), (0, 1): (2, 7)}) == 1
    assert segment.positions() == {(0, 0): (2, 6), (0, 1): (2, 7), (1, 0): (1, 9)}
    segment.close()
    OpenSegment(str(path), {}).close()
    reader = connect_reader(str(path))
    assert [found for _, found in rows_between(reader, 1, 9, (), (), 9)] == [new, row(1)]
    reader.close()

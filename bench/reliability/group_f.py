"""What must last: databases that are killed, cut off, filled up and damaged."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from _speedups._bucket import RingWriter
from bench.load.result import ROOT
from bench.reliability import clocks, outages
from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded
from bench.reliability.instance import wait_until
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.migrate import upgrade
from gateway.processes.paths import Paths
from gateway.stores.ledger import UsageQuery
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LogQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database, sqlite_url
from tests.control.trail_records import exchange

RECOVERED_WITHIN_S = 5.0


@figure("F1", guard="tests/stores/test_sqlite_rules.py")
def version(quick: bool) -> Outcome:
    """What is said of every version; that it is kept to is F2's."""
    return guarded("tests/stores/test_sqlite_rules.py", quick=quick)


@figure("F2", guard="tests/live/test_databases.py")
def one_writer(quick: bool) -> Outcome:
    """The open files of every process of a gateway that serves, beside commands that read."""
    return guarded("tests/live/test_databases.py", quick=quick)


@figure("F3", guard="tests/stores/test_killed_writer.py")
def killed_writers(quick: bool) -> Outcome:
    """One writer after the other is killed while it posts."""
    name = "test_killed_at_any_moment_the_file_is_sound_and_has_what_was_acknowledged"
    return guarded(f"tests/stores/test_killed_writer.py::{name}", quick=quick)


@figure("F4", guard="tests/stores/test_power_loss.py")
def power_loss(quick: bool) -> Outcome:
    """What was written and synced is replayed up to a point, without some of what was not synced."""
    return guarded("tests/stores/test_power_loss.py", quick=quick)


@contextlib.contextmanager
def small_disk(mebibytes: int) -> Iterator[Path]:
    """A file system of its own in memory. Raises subprocess.CalledProcessError where none may be mounted."""
    place = Path(tempfile.mkdtemp(prefix="mg-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "microgate", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@figure("F5", guard="tests/control/test_ledger_feed.py")
def full_disk(quick: bool) -> Outcome:
    """Databases, spool and spill file on a disk that something else fills up while records come; then it is gone."""
    with small_disk(8) as disk:
        paths = Paths(str(disk / "data"))
        paths.create()
        upgrade(sqlite_url(paths.control_db))
        database = open_database(sqlite_url(paths.control_db))
        ledger, log = SqlLedger(database), SqliteLog(paths.log_dir)
        feed = LedgerFeed(ledger, LedgerSpool(paths.ledger_spool))
        ingest = Ingest(paths, log, Aggregates(), feed=feed)
        writer = RingWriter(paths.ring(0), 0, 1, paths.spill(0))
        filler, number = disk / "filler", 0
        ingest.start()
        try:
            for _ in range(500):
                number += writer.push(exchange(number, cost_nanodollars=1))
            wait_until(lambda: ingest.stored == number, "the first records are stored")
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(bytes(4096))
                    file.flush()
            full = time.monotonic()
            while not ingest.blocked or time.monotonic() < full + 2:
                number += writer.push(exchange(number, cost_nanodollars=1))
                time.sleep(0.002)
            waiting = sum(ingest.lag().values())
            filler.unlink()
            space = time.monotonic()
            wait_until(lambda: ingest.stored == number and not feed.waiting_bytes, "all records are stored")
            took = time.monotonic() - space
        finally:
            ingest.stop()
        [usage] = ledger.usage(UsageQuery())
        files = [paths.control_db, *map(str, Path(paths.log_dir).glob("*.db"))]
        sound = sum(_sound(file) for file in files)
        logged, dropped = _rows(log), writer.dropped
        for each in (log, database, writer):
            each.close()
    values = {
        "records": number,
        "of these waiting while the disk was full": waiting,
        "dropped": dropped,
        "in the ledger": usage.attempts,
        "in the log": logged,
        "files, sound": f"{len(files)}, {sound}",
        "all stored after, s": round(took, 2),
    }
    kept = usage.attempts == usage.cost_nanodollars == logged == number and sound == len(files) and not dropped
    return Outcome(values, kept and waiting > 0 and took <= RECOVERED_WITHIN_S)


def _rows(log: SqliteLog) -> int:
    count, cursor = 0, None
    while True:
        page = log.page(LogQuery(limit=1000, cursor=cursor, kind=None))
        count, cursor = count + len(page.rows), page.next
        if cursor is None:
            return count


def _sound(file: str) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reader:
        return bool(reader.execute("PRAGMA integrity_check").fetchone() == ("ok",))


_POSTING = """
import os, sys
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.stores.ledger_rows import entry

database = SqliteDatabase(sys.argv[1])
ledger, number, told, opened = SqlLedger(database), 0, 0, 0
connection = None
while number < int(sys.argv[2]):
    rows = [entry(number + each) for each in range(5)]
    try:
        ledger.post(rows)
    except StoreUnavailable:
        told += 1
        continue
    opened += database._writer is not connection
    connection = database._writer
    number += 5
    print(number, told, opened, flush=True)
"""


@figure("F6", guard="tests/stores/test_sqlite_database.py")
def failing_fsync(quick: bool) -> Outcome:
    """Every fifth sync of a writer fails, by the kernel's word (strace's injection)."""
    rows = 500 if quick else 20_000
    if shutil.which("strace") is None:
        raise RuntimeError("strace is missing (apt-get install strace)")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "control.db")
        upgrade(sqlite_url(path))
        inject = "inject=fsync,fdatasync:error=EIO:when=5+5"
        command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync", "-e", inject]
        command += [sys.executable, "-c", _POSTING, path, str(rows)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as writer:
            assert writer.stdout is not None
            last = [0, 0, 0]
            for line in writer.stdout:
                last = list(map(int, line.split()))
                if last[0] >= rows - 50:
                    # Without a chance to mend anything.
                    writer.send_signal(signal.SIGKILL)
                    break
            acknowledged, told, opened = last
        sound = _sound(path)
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            count = reader.execute("SELECT count(*) FROM ledger WHERE attempt = 1").fetchone()[0]
    values = {
        "rows acknowledged": acknowledged,
        "syncs that failed and were told": told,
        "file opened anew": opened - 1,
        "sound": sound,
        "acknowledged rows lost": max(0, acknowledged - count),
    }
    return Outcome(values, sound and told > 0 and opened - 1 > 0 and count >= acknowledged)


@figure("F7", guard="tests/stores/test_killed_writer.py")
def busy(quick: bool) -> Outcome:
    """Writers that wait for one connection, beside a look-up that sees one state as long as they write."""
    return guarded(
        "tests/stores/test_killed_writer.py::test_writers_and_a_long_reader_lock_nobody_out",
        quick=quick,
    )


@figure("F8", guard="tests/control/test_migrations.py")
def migrations(quick: bool) -> Outcome:
    """Killed one statement later each time."""
    return guarded("tests/control/test_migrations.py", quick=quick)


@figure("F9", guard="tests/cli/test_backup.py")
def backups(quick: bool) -> Outcome:
    """Copied while rows are posted: the copy's sum is that of a state there was, and comes back."""
    return guarded("tests/cli/test_backup.py", quick=quick)


@figure("F11", guard="tests/stores/test_ambiguous_commit.py")
def ambiguous_commits(quick: bool) -> Outcome:
    """A relay before the server passes a commit on or not, and cuts the connection."""
    return guarded("tests/stores/test_ambiguous_commit.py", quick=quick)


@figure("F14", guard="tests/stores/test_sqlite_database.py")
def damage(quick: bool) -> Outcome:
    """Pages of a database and frames of its WAL are overwritten."""
    return guarded("tests/stores/test_sqlite_database.py", "tests/control/test_migrations.py", quick=quick)


__all__ = ["clocks", "outages"]

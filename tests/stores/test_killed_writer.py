"""A ledger whose writer is killed at any moment is sound, and has every row that was acknowledged."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.live.rounds import measured, rounds
from tests.stores.ledger_rows import DAY_US, entry

ROOT = str(Path(__file__).resolve().parents[2])

_WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.stores.ledger_rows import entry

ledger = SqlLedger(SqliteDatabase(sys.argv[2]))
number = int(sys.argv[3])
while True:
    ledger.post([entry(number + each) for each in range(50)])
    number += 50
    os.write(1, number.to_bytes(8, "big"))
"""


def test_killed_at_any_moment_the_file_is_sound_and_has_what_was_acknowledged(tmp_path: Path, migrated: Path) -> None:
    path = str(tmp_path / "control.db")
    shutil.copy(migrated, path)
    lot, acknowledged, lost, sound, killed = random.Random(3), 0, 0, 0, rounds(6, 200)
    for _ in range(killed):
        command = [sys.executable, "-c", _WRITER, ROOT, path, str(acknowledged)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = writer.stdout.read(8)
            time.sleep(lot.random() * 0.1)
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.read()
        acknowledged = int.from_bytes(said[len(said) // 8 * 8 - 8 : len(said) // 8 * 8], "big")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
            sound += reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            # Row n bears request id n: those that were acknowledged are the first ones.
            count = reader.execute("SELECT count(*) FROM ledger WHERE started_us < ?", (acknowledged * DAY_US,))
            [there] = count.fetchone()
        reader.close()
        lost += acknowledged - there
    measured("rounds, sound afterwards", f"{killed}, {sound}", "all")
    measured("rows acknowledged, lost", f"{acknowledged}, {lost}", "0 lost")
    assert (sound, lost) == (killed, 0)
    database = SqliteDatabase(path)
    assert SqlLedger(database).post([]) == 0
    database.close()


def test_writers_and_a_long_reader_lock_nobody_out(tmp_path: Path, migrated: Path) -> None:
    """Four threads that write through the one connection, beside a look-up that takes as long as they do: at full
    length 60,000 rows, which are half a minute of 2,000 requests a second."""
    path = str(tmp_path / "control.db")
    shutil.copy(migrated, path)
    database = SqliteDatabase(path)
    ledger = SqlLedger(database)
    posts, errors, per_post = rounds(25, 300), [], 50

    def write(writer: int) -> None:
        try:
            for number in range(posts):
                first = (writer * posts + number) * per_post
                ledger.post([entry(first + each) for each in range(per_post)])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    with database.reading() as at:
        before = at.rows("SELECT count(*) FROM ledger")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert at.rows("SELECT count(*) FROM ledger") == before
        wal_mib = os.path.getsize(f"{path}-wal") / (1 << 20)
    with database.reading() as at:
        [(there,)] = at.rows("SELECT count(*) FROM ledger")
    database.close()
    measured("rows written by 4 writers beside a reader", there, "all")
    measured("errors", len(errors), "0")
    measured("WAL at most, MiB", round(wal_mib, 1), "<= 64")
    assert errors == []
    assert there == 4 * posts * per_post
    assert wal_mib <= 64

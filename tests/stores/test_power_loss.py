"""A loss of power keeps of what was not synced whatever it likes. No acknowledged row is among it.

A preloaded library (power_loss.c) logs what a writer writes and syncs. The log is replayed up to a point, and of the
writes since the last sync of their file a random subset is left out or torn; what that leaves is opened and counted.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LogQuery
from gateway.stores.sqlite_log import SqliteLog
from tests.live.rounds import measured, rounds
from tests.stores.ledger_rows import DAY_US

ROOT = str(Path(__file__).resolve().parents[2])
HEAD = struct.Struct("<IIQQ")
SECTOR = 512

_WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores import sqlite_rules
# Many checkpoints, each of which writes into the file itself.
sqlite_rules.CHECKPOINT_PAGES = 40
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.stores.ledger_rows import entry

from gateway.stores.sqlite_log import SqliteLog
from tests.stores.rows import row

directory, what = sys.argv[2:]
if what == "ledger":
    keep = SqlLedger(SqliteDatabase(directory + "/control.db")).post
elif what == "spool":
    keep = LedgerSpool(directory + "/spool").append
else:
    log = SqliteLog(directory)

    def keep(entries):
        numbers = [int.from_bytes(each.request_id, "big") for each in entries]
        log.append([row(number) for number in numbers], {(0, 0): (1, numbers[-1])})
        log.settle()

acknowledged = os.open(directory + "/acknowledged", os.O_WRONLY | os.O_CREAT, 0o600)
for number in range(0, 1200, 8):
    keep([entry(number + each) for each in range(8)])
    os.write(acknowledged, (number + 8).to_bytes(8, "big"))
os._exit(0)
"""


class Written(NamedTuple):
    operation: str
    path: str
    offset: int
    data: bytes


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = str(tmp_path_factory.mktemp("power") / "power_loss.so")
    source = str(Path(__file__).with_suffix(".c").with_name("power_loss.c"))
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", target, source], check=True)
    return target


def logged(file: Path) -> Iterator[Written]:
    data, at = file.read_bytes(), 0
    while at < len(data):
        operation, path_bytes, offset, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        path = data[at : at + path_bytes].decode()
        at += path_bytes
        yield Written(chr(operation), path, offset, data[at : at + size])
        at += size


class Disk:
    """What is surely on it, and what is on its way there."""

    def __init__(self, start: dict[str, bytes]) -> None:
        self.sure = {path: bytearray(data) for path, data in start.items()}
        self.pending: dict[str, list[Written]] = {}

    def take(self, entry: Written) -> None:
        if entry.operation == "u":
            self.sure.pop(entry.path, None)
            self.pending.pop(entry.path, None)
        elif entry.operation == "s":
            content = self.sure.setdefault(entry.path, bytearray())
            for each in self.pending.pop(entry.path, []):
                apply(content, each)
        else:
            self.pending.setdefault(entry.path, []).append(entry)

    def after_loss(self, lot: random.Random) -> dict[str, bytearray]:
        """The files as they may be found: each unsynced write is there, or not, or in part."""
        found = {path: bytearray(data) for path, data in self.sure.items()}
        for path, entries in self.pending.items():
            share = lot.random()
            for entry in entries:
                if lot.random() < share:
                    torn = lot.random() < 0.2 and entry.operation == "w"
                    kept = entry.data[: lot.randrange(len(entry.data) // SECTOR + 1) * SECTOR] if torn else entry.data
                    apply(found.setdefault(path, bytearray()), entry._replace(data=kept))
        return found


def apply(content: bytearray, entry: Written) -> None:
    end = entry.offset if entry.operation == "t" else entry.offset + len(entry.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if entry.operation == "t":
        del content[end:]
    else:
        content[entry.offset : end] = entry.data


def ledger_has(directory: Path, acknowledged: int) -> bool:
    """Opened as after any unclean end, by whoever may write. Raises sqlite3.Error for what is no database."""
    connection = sqlite3.connect(directory / "control.db")
    try:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            return False
        there = "SELECT count(*) FROM ledger WHERE started_us < ?"
        return bool(connection.execute(there, (acknowledged * DAY_US,)).fetchone() == (acknowledged,))
    finally:
        connection.close()


def spool_has(directory: Path, acknowledged: int) -> bool:
    spool, numbers = LedgerSpool(str(directory / "spool")), []
    while waiting := spool.next():
        numbers += [int.from_bytes(row.request_id, "big") for row in waiting[0]]
        spool._done = waiting[1]
    return numbers[:acknowledged] == list(range(acknowledged)) and numbers == list(range(len(numbers)))


def log_has(directory: Path, acknowledged: int) -> bool:
    """What is settled is there, with its positions."""
    log = SqliteLog(str(directory))
    numbers, cursor = [], None
    while True:
        page = log.page(LogQuery(limit=1000, cursor=cursor))
        numbers += [found.sequence for found in page.rows]
        cursor = page.next
        if cursor is None:
            break
    reached = log.positions().get((0, 0), (1, -1))[1]
    status = log.status()
    log.close()
    sound = not any("damaged" in note for note in status.notes)
    return sound and numbers == list(range(reached, -1, -1)) and reached >= acknowledged - 1


HAS = {"ledger": ledger_has, "spool": spool_has, "log": log_has}


@pytest.mark.parametrize("what", ["ledger", "spool", "log"])
def test_acknowledged_rows_survive_whatever_is_lost(what: str, library: str, tmp_path: Path, migrated: Path) -> None:
    place, log = tmp_path / "data", tmp_path / "log"
    place.mkdir()
    start = {}
    if what == "ledger":
        shutil.copy(migrated, place / "control.db")
        start[str(place / "control.db")] = migrated.read_bytes()
    environment = {**os.environ, "LD_PRELOAD": library, "POWER_LOSS_DIR": str(place), "POWER_LOSS_LOG": str(log)}
    subprocess.run([sys.executable, "-c", _WRITER, ROOT, str(place), what], cwd=ROOT, env=environment, check=True)
    entries = [entry for entry in logged(log) if not entry.path.endswith("-shm")]
    lot, has = random.Random(9), HAS[what]
    points = sorted(lot.choices(range(len(entries)), k=rounds(60, 1000)))
    disk, acknowledged, taken, kept = Disk(start), 0, 0, 0
    for number, point in enumerate(points):
        for entry in entries[taken:point]:
            if entry.path.endswith("acknowledged"):
                acknowledged = int.from_bytes(entry.data, "big")
            else:
                disk.take(entry)
        taken = point
        found = tmp_path / f"found-{number}"
        found.mkdir()
        for path, data in disk.after_loss(lot).items():
            if os.path.dirname(path) == str(place):
                (found / os.path.basename(path)).write_bytes(data)
        kept += has(found, acknowledged)
        shutil.rmtree(found)
    syncs = sum(entry.operation == "s" for entry in entries)
    measured(
        f"{what}: points at which power was lost, writes and syncs", f"{len(points)}, {len(entries)}, {syncs}", "1000"
    )
    measured(f"{what}: sound, with every acknowledged row", kept, "all")
    assert syncs > 100
    assert kept == len(points)

"""Who has which database file open, and how, in a gateway that serves."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.processes.instance import holder
from gateway.stores.ledger import UsageQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.live.instance import Gateway
from tests.live.rounds import measured
from tests.live.wire import ask
from tests.waiting import wait_for

ROOT = str(Path(__file__).resolve().parents[2])


def processes(root: int) -> Iterator[int]:
    """A process and all below it; some come and go."""
    yield root
    for listing in Path(f"/proc/{root}/task").glob("*/children"):
        children = ""
        with contextlib.suppress(OSError):
            children = listing.read_text()
        for child in children.split():
            yield from processes(int(child))


def opened(pid: int) -> dict[str, set[int]]:
    """Path -> access modes of the process's descriptors."""
    found: dict[str, set[int]] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            path = os.readlink(entry)
            flags = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split("flags:")[1].split()[0]
        except (OSError, IndexError):
            continue
        found.setdefault(path, set()).add(int(flags, 8) & os.O_ACCMODE)
    return found


def mapped(pid: int) -> set[str]:
    with open(f"/proc/{pid}/maps") as maps:
        return {line.split(None, 5)[5].strip() for line in maps if len(line.split(None, 5)) == 6}


def test_one_process_writes_each_database_and_none_maps_it(gateway: Gateway) -> None:
    ledger = SqlLedger(SqliteDatabase(gateway.paths.control_db))
    for _ in range(20):
        assert ask(gateway.port).status == 200
    wait_for(lambda: ledger.usage(UsageQuery())[0].requests == 20, "the rows of the ledger")
    root = holder(gateway.paths.lock)
    command = [sys.executable, "-m", "gateway", "usage", "--by", "key", "--data-dir", gateway.paths.data_dir]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert " 20 " in done.stdout
    writers: dict[str, set[int]] = {}
    maps: set[str] = set()
    for pid in processes(root):
        try:
            files, mappings = opened(pid), mapped(pid)
        except (FileNotFoundError, ProcessLookupError):
            assert pid != root
            continue
        for path, modes in files.items():
            if path.endswith((".db", ".db-wal")) and modes & {os.O_WRONLY, os.O_RDWR}:
                writers.setdefault(path, set()).add(pid)
        maps |= {path for path in mappings if path.endswith((".db", ".db-wal"))}
    databases = {path for path in writers if path.endswith(".db")}
    measured(
        "database files, processes that write them", f"{len(databases)}, {len(set().union(*writers.values()))}", "1"
    )
    measured("mapped into memory", len(maps), "0")
    assert gateway.paths.control_db in databases
    assert len(databases) >= 2
    assert all(len(pids) == 1 for pids in writers.values())
    assert len(set().union(*writers.values())) == 1
    assert maps == set()


def test_a_ledger_that_comes_back_has_what_was_used_meanwhile(gateway: Gateway) -> None:
    """Its file is away while requests are answered: they are in the spool, then in the ledger."""
    for _ in range(3):
        assert ask(gateway.port).status == 200
    ledger = SqlLedger(SqliteDatabase(gateway.paths.control_db))
    wait_for(lambda: ledger.usage(UsageQuery())[0].requests == 3, "the rows of the ledger")
    gateway.stop()
    away = f"{gateway.paths.control_db}.away"
    os.rename(gateway.paths.control_db, away)
    Path(gateway.paths.control_db).write_bytes(b"no database" * 1000)
    gateway.start()
    for _ in range(5):
        assert ask(gateway.port).status == 200
    spool = Path(gateway.paths.ledger_spool)
    wait_for(lambda: spool.exists() and spool.stat().st_size, "the spool")
    # Nobody has to do more than this.
    os.rename(away, gateway.paths.control_db)
    wait_for(lambda: ledger.usage(UsageQuery())[0].requests == 8, "what was used meanwhile")

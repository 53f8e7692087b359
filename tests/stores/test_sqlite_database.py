"""The control database's file: one writer, nothing lost, nothing made anew where something was."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway.stores.database import Duplicate
from gateway.stores.protocols import StoreReadOnly, StoreUnavailable
from gateway.stores.sqlite_database import SqliteDatabase

INSERT = "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?, 'k', ?, 0, 0)"


@pytest.fixture
def path(tmp_path: Path, migrated: Path) -> str:
    shutil.copy(migrated, tmp_path / "control.db")
    return str(tmp_path / "control.db")


def count(database: SqliteDatabase) -> int:
    with database.reading() as at:
        return int(at.rows("SELECT count(*) FROM names")[0][0])


def add(database: SqliteDatabase, number: int, name: object = "n", then: type[Exception] | None = None) -> None:
    with database.writing() as at:
        at.run(INSERT, (number, name))
        if then is not None:
            raise then


def test_it_is_written_by_the_rules(path: str) -> None:
    database = SqliteDatabase(path)
    with database.writing() as at:
        found = {name: at.rows(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "mmap_size")}
    assert found == {"journal_mode": [("wal",)], "synchronous": [(2,)], "mmap_size": [(0,)]}
    with database.reading() as at, pytest.raises(sqlite3.OperationalError, match="readonly"):
        at.run(INSERT, (1, "n"))
    database.close()


def test_a_block_that_raises_leaves_nothing_behind(path: str) -> None:
    database = SqliteDatabase(path)
    with pytest.raises(KeyError):
        add(database, 1, then=KeyError)
    with pytest.raises(Duplicate), database.writing() as at:
        at.many(INSERT, [(2, "n"), (2, "n")])
    with pytest.raises(OverflowError):
        add(database, 1 << 70)
    assert count(database) == 0
    add(database, 3)
    assert count(database) == 1
    assert database.problem == ""
    database.close()


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "control.db"))
    with pytest.raises(StoreUnavailable, match="missing"):
        add(database, 1)
    with pytest.raises(StoreUnavailable), database.reading():
        pass
    assert not (tmp_path / "control.db").exists()


def test_whoever_only_reads_does_not_write(path: str) -> None:
    database = SqliteDatabase(path, read_only=True)
    with pytest.raises(StoreUnavailable, match="reading only"):
        add(database, 1)
    assert count(database) == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_refused_and_left_alone(path: str, seed: int) -> None:
    """A page that is overwritten: its header, an inner node or a leaf."""
    database = SqliteDatabase(path)
    with database.writing() as at:
        at.many(INSERT, [(number, "x" * 100) for number in range(2000)])
    database.close()
    page = 1 + seed * (os.path.getsize(path) // 4096 - 2) // 12
    with open(path, "r+b") as file:
        file.seek(page * 4096)
        file.write(bytes(range(256)) * 16)
    before = Path(path).read_bytes()
    again = SqliteDatabase(path)
    with pytest.raises(StoreUnavailable, match="control database"):
        add(again, 9999)
    with pytest.raises(StoreUnavailable):
        add(again, 9999)
    assert again.problem
    assert Path(path).read_bytes() == before


def test_a_damaged_wal_costs_its_last_transactions_and_no_more(path: str) -> None:
    """Its frames have checksums: what lies behind a wrong one was never written."""
    database = SqliteDatabase(path)
    for number in range(50):
        add(database, number)
    copies = [f"{path}.copy{suffix}" for suffix in ("", "-wal")]
    shutil.copy(path, copies[0])
    shutil.copy(f"{path}-wal", copies[1])
    database.close()
    with open(copies[1], "r+b") as file:
        file.seek(os.path.getsize(copies[1]) // 2)
        file.write(b"\xff" * 64)
    again = SqliteDatabase(copies[0])
    add(again, 9999)
    assert 2 <= count(again) <= 50
    again.close()


def test_a_file_that_may_not_be_written_is_read(path: str) -> None:
    """Also by root, whom no mode of a file keeps from writing: its write version is one that nobody knows, which
    SQLite's file format has mean read-only."""
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(b"\3")
    before = Path(path).read_bytes()
    database = SqliteDatabase(path)
    for _ in range(2):
        with pytest.raises(StoreReadOnly, match="can be read, but not changed"):
            add(database, 1)
    assert count(database) == 0
    assert Path(path).read_bytes() == before
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(b"\2")
    add(database, 1)
    assert (count(database), database.problem) == (1, "")
    database.close()


def test_a_full_disk_is_survived(path: str) -> None:
    database = SqliteDatabase(path)
    add(database, 1)
    with database.writing() as at:
        at.rows("PRAGMA max_page_count = 30")
    with pytest.raises(StoreUnavailable, match="full"), database.writing() as at:
        at.many(INSERT, [(number, "x" * 500) for number in range(100, 2000)])
    assert "full" in database.problem
    assert count(database) == 1
    add(database, 2)
    assert database.problem == ""
    database.close()


def test_after_a_failed_commit_the_file_is_opened_anew_and_verified(path: str) -> None:
    """A failed fsync is never repeated and believed."""
    database = SqliteDatabase(path)
    add(database, 1)
    writer = database._writer
    with pytest.raises(StoreUnavailable), database.writing():
        raise sqlite3.OperationalError("disk I/O error")
    assert database._writer is None
    add(database, 2)
    assert database._writer is not writer
    assert count(database) == 2
    database.close()

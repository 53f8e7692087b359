from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.stores.sqlite_rules import connect_reader, connect_writer, enter_wal, has_wal_reset_fix, version_note

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_versions_with_the_wal_reset_race_are_told_apart_and_named(version: tuple[int, ...], fixed: bool) -> None:
    assert has_wal_reset_fix(version) is fixed
    note = version_note(version)
    assert ("single-writer" in note and ".".join(map(str, version)) in note) is not fixed


def test_no_database_file_is_mapped_into_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    writer = connect_writer(path)
    enter_wal(writer, synchronous="FULL")
    writer.execute("CREATE TABLE t (x)")
    reader = connect_reader(path)
    for connection in (writer, reader):
        assert connection.execute("PRAGMA mmap_size").fetchall() in ([], [(0,)])
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert os.stat(path).st_mode & 0o777 == 0o600
    reader.close()
    writer.close()


_USED = """
import _sqlite3, ctypes, sys
from gateway.stores.sqlite_rules import connect_writer, enter_wal, stop_counting_memory
told = sys.argv[2] == "count" or stop_counting_memory()
writer = connect_writer(sys.argv[1])
enter_wal(writer, synchronous="FULL")
writer.execute("CREATE TABLE t (x)")
writer.execute("INSERT INTO t VALUES (?)", ("a" * 1000,))
assert writer.execute("SELECT length(x) FROM t").fetchone() == (1000,)
used = ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used
used.restype = ctypes.c_int64
print(told, used() > 0)
"""


@pytest.mark.parametrize(("told", "counted"), [("count", True), ("stop", False)])
def test_a_process_can_have_its_memory_not_counted(tmp_path: Path, told: str, counted: bool) -> None:
    """In a process of its own: it is said once for all connections."""
    command = [sys.executable, "-c", _USED, str(tmp_path / "x.db"), told]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["True", str(counted)]

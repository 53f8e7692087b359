from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.stores.sqlite_rules import connect_reader, connect_writer, enter_wal, has_wal_reset_fix, version_note


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

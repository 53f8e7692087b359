"""The control database's schema: old or new, never between."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from gateway.control import migrate, migrations
from gateway.control.database import ControlDatabase
from gateway.control.migrate import HEAD, MigrationError, SchemaState, ensure, state_of, upgrade
from gateway.control.schema import metadata
from gateway.snapshot.model import Snapshot

ROOT = str(Path(__file__).resolve().parents[2])
SNAPSHOT = Snapshot(version=4, created_ns=5_000_000, providers={}, routes={}, virtual_keys=2)


def tables(path: str) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    finally:
        connection.close()


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrations_lead_to_the_described_schema(tmp_path: Path) -> None:
    path = str(tmp_path / "control.db")
    upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_child_migrates_once_and_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "control.db")
    assert ensure(path) is SchemaState.OLDER
    assert state_of(path) is SchemaState.CURRENT

    def no_child(*_: object, **__: object) -> None:
        raise AssertionError("a child was started")

    monkeypatch.setattr(migrate, "run_module", no_child)
    assert ensure(path) is SchemaState.CURRENT


def test_neither_sqlalchemy_nor_alembic_is_imported_here() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gateway.control.main, gateway.control.admin_server\n"
        "print(sorted({'sqlalchemy', 'alembic', 'cryptography', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, ROOT], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def set_version(path: str, version: str, reads_from: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.execute("UPDATE meta SET value = ? WHERE key = 'reads_from'", (reads_from,))
    connection.commit()
    connection.close()


def test_a_newer_database_is_used_when_it_says_so_and_refused_when_not(tmp_path: Path) -> None:
    path = str(tmp_path / "control.db")
    upgrade(path)
    set_version(path, "9999", HEAD)
    assert ensure(path) is SchemaState.NEWER
    set_version(path, "9999", "9999")
    before = Path(path).read_bytes()
    with pytest.raises(MigrationError, match="newer version"):
        ensure(path)
    assert Path(path).read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    path.write_bytes(b"no database at all" * 500)
    database = ControlDatabase(str(path))
    assert database.open() == {}
    assert "control database" in database.problem
    assert path.read_bytes() == b"no database at all" * 500


_KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import alembic.command, sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine
from gateway.control.migrate import upgrade

def attempt(path, left):
    def maybe_die(*_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "before_cursor_execute", maybe_die)
    event.listen(Engine, "commit", maybe_die)
    upgrade(path)

for statement in range(100):
    child = os.fork()
    if not child:
        attempt(f"{sys.argv[2]}/{statement}.db", statement)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(statement)
        break
"""


def test_killed_at_any_statement_the_schema_is_old_or_new(tmp_path: Path) -> None:
    """Forked from one process that has the libraries loaded; each child dies one statement later than the last."""
    whole = {"alembic_version", *metadata.tables}
    code = [sys.executable, "-c", _KILLED, ROOT, str(tmp_path)]
    done = subprocess.run(code, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    last = int(done.stdout)
    assert last > 5
    seen = set()
    for statement in range(last + 1):
        path = str(tmp_path / f"{statement}.db")
        found = tables(path) if os.path.exists(path) else set()
        assert found in (set(), {"alembic_version"}, whole)
        seen.add(len(found))
        upgrade(path)
        assert tables(path) == whole
    assert seen >= {0, len(whole)}


def test_names_and_versions_are_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "control.db")
    first = ControlDatabase(path)
    assert first.open() == {}
    names = {1: "provider/mock", 2**64 - 1: "virtual_key/alice", 3: "provider_key/mock/k1"}
    first.note(names, SNAPSHOT, "file")
    first.note({1: "provider/mock", 3: "provider_key/mock/k2"}, SNAPSHOT, "file")
    first.close()
    second = ControlDatabase(path)
    assert second.open() == {**names, 3: "provider_key/mock/k2"}
    second.close()
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT version, source, virtual_keys FROM snapshot_versions").fetchall()
    connection.close()
    assert row == [(4, "file", 2)]

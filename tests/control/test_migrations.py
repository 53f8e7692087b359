"""The control database's schema: old or new, never between."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
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
from gateway.stores.entities import Change
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_database import SqliteDatabase
from gateway.stores.urls import sqlite_url
from tests.postgres import PostgresServer

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
    upgrade(sqlite_url(path))
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_child_migrates_once_and_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "control.db")
    assert ensure(sqlite_url(path)) is SchemaState.OLDER
    assert state_of(sqlite_url(path)) is SchemaState.CURRENT

    def no_child(*_: object, **__: object) -> None:
        raise AssertionError("a child was started")

    monkeypatch.setattr(migrate, "run_module", no_child)
    assert ensure(sqlite_url(path)) is SchemaState.CURRENT


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
    upgrade(sqlite_url(path))
    set_version(path, "9999", HEAD)
    assert ensure(sqlite_url(path)) is SchemaState.NEWER
    set_version(path, "9999", "9999")
    before = Path(path).read_bytes()
    with pytest.raises(MigrationError, match="newer version"):
        ensure(sqlite_url(path))
    assert Path(path).read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    path.write_bytes(b"no database at all" * 500)
    database = ControlDatabase(sqlite_url(str(path)))
    assert database.open() == {}
    assert "control database" in database.problem
    assert path.read_bytes() == b"no database at all" * 500


def test_whoever_writes_again_ends_the_problem(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(str(tmp_path / "control.db")))
    assert database.open() == {}
    whole = database.database.whole
    assert isinstance(whole, SqliteDatabase)
    assert whole._writer is not None
    whole._writer.execute("PRAGMA query_only = 1")
    assert not database.note({1: "provider/house"}, SNAPSHOT, "file")
    assert database.problem == "control database: it can be read, but not changed"
    database.config.note(Change(actor="test", action="create"), "team", "", "research")
    assert database.problem == ""
    assert database.note({1: "provider/house"}, SNAPSHOT, "file")
    database.close()
    again = ControlDatabase(sqlite_url(str(tmp_path / "control.db")))
    assert again.open() == {1: "provider/house"}
    again.close()


_KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import alembic.command, sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine
from gateway.control.migrate import upgrade
from gateway.stores.urls import sqlite_url

def attempt(path, left):
    def maybe_die(*_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "before_cursor_execute", maybe_die)
    event.listen(Engine, "commit", maybe_die)
    upgrade(sqlite_url(path))

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
    first = {"alembic_version", "meta", "names", "snapshot_versions"}
    whole = {"alembic_version", *metadata.tables}
    fourth = whole - {"usage_hours", "usage_days", "usage_summed"}
    third = fourth - {"ledger_days", "ledger_summed"}
    second = third - {"alerts"}
    code = [sys.executable, "-c", _KILLED, ROOT, str(tmp_path)]
    done = subprocess.run(code, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    last = int(done.stdout)
    assert last > 5
    seen = set()
    for statement in range(last + 1):
        path = str(tmp_path / f"{statement}.db")
        found = tables(path) if os.path.exists(path) else set()
        assert found in (set(), {"alembic_version"}, first, second, third, fourth, whole)
        seen.add(len(found))
        upgrade(sqlite_url(path))
        assert tables(path) == whole
    assert seen >= {0, len(first), len(third), len(fourth), len(whole)}


def test_the_migrations_lead_to_the_described_schema_in_postgresql(postgres: PostgresServer) -> None:
    url = postgres.database(empty=True)
    assert ensure(url) is SchemaState.OLDER
    assert ensure(url) is SchemaState.CURRENT
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    engine.dispose()
    # Comments stand in the description alone.
    assert [change for change in found if "comment" not in str(change)] == []


def test_gateways_that_start_at_once_migrate_one_after_the_other(postgres: PostgresServer) -> None:
    url = postgres.database(empty=True)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ensure(url), range(4)))
    assert SchemaState.OLDER in found
    assert state_of(url) is SchemaState.CURRENT


def test_a_server_that_cannot_be_reached_is_a_problem_without_its_address(tmp_path: Path) -> None:
    database = ControlDatabase(f"postgresql://user:hunter2@/secret-name?host={tmp_path}")
    assert database.open() == {}
    assert database.problem == "database: OperationalError"
    database.close()


# What version 0001 of the program says to its database, word for word.
_FIRST_NAME = (
    "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?1, ?2, ?3, ?4, ?4) "
    "ON CONFLICT (id_hash) DO UPDATE "
    "SET kind = excluded.kind, name = excluded.name, last_seen_us = excluded.last_seen_us"
)
_FIRST_VERSION = "INSERT OR REPLACE INTO snapshot_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def test_the_program_before_works_beside_this_one(tmp_path: Path) -> None:
    path = str(tmp_path / "control.db")
    upgrade(sqlite_url(path))
    connection = sqlite3.connect(path, isolation_level=None)
    assert connection.execute("SELECT value FROM meta WHERE key = 'reads_from'").fetchone() == ("0001",)
    for _ in range(2):
        connection.execute(_FIRST_NAME, (1, "provider", "mock", 5))
        connection.execute(_FIRST_VERSION, (4, 1, 2, "file", b"d", 1, 1, 1))
    connection.close()
    again = ControlDatabase(sqlite_url(path))
    assert again.open() == {1: "provider/mock"}
    again.close()


def test_nobody_opens_a_database_that_is_still_migrated(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    database = ControlDatabase(sqlite_url(str(path)))
    # As the child makes it at first: a second process that put it into WAL mode would be a second writer.
    path.touch()
    with pytest.raises(StoreUnavailable, match="schema"):
        database.config.revision()
    with pytest.raises(StoreUnavailable, match="schema"):
        database.config.revoke(owner="somebody")
    assert path.read_bytes() == b""
    database.open()
    assert database.config.revoke(owner="somebody") == 0
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_names_and_versions_are_kept(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = (
        sqlite_url(str(tmp_path / "control.db"))
        if kind == "sqlite"
        else request.getfixturevalue("postgres").database(empty=True)
    )
    first = ControlDatabase(url)
    assert first.open() == {}
    names = {1: "provider/mock", 2**64 - 1: "virtual_key/alice", 3: "provider_key/mock/k1"}
    first.note(names, SNAPSHOT, "file")
    first.note({1: "provider/mock", 3: "provider_key/mock/k2"}, SNAPSHOT, "file")
    first.close()
    second = ControlDatabase(url)
    assert second.open() == {**names, 3: "provider_key/mock/k2"}
    with second.database.reading() as at:
        row = at.rows("SELECT version, source, virtual_keys FROM snapshot_versions")
    second.close()
    assert row == [(4, "file", 2)]

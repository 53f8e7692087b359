"""``microgate backup`` and ``microgate restore``: what comes back is what was there at one moment."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.commands import cli
from gateway.control.backup import TABLES, BackupError, restore, save
from gateway.control.migrate import upgrade
from gateway.control.schema import metadata
from gateway.processes.instance import InstanceLock
from gateway.processes.paths import Paths
from gateway.stores.database import Database, Row
from gateway.stores.entities import Change
from gateway.stores.ledger import LedgerRow, UsageQuery
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.urls import open_database, sqlite_url
from tests.cli.ledgers import fill
from tests.postgres import PostgresServer
from tests.stores.ledger_rows import entry

CHANGE = Change(actor="ann", action="create", after=b"{}")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.database()
    url = sqlite_url(str(tmp_path / "control.db"))
    upgrade(url)
    return url


def content(url: str) -> dict[str, list[Row]]:
    database = open_database(url)
    with database.reading() as at:
        found = {}
        for name, columns in {**TABLES, "meta": ("key", "value")}.items():
            statement = "SELECT %s FROM %s ORDER BY %s"
            found[name] = at.rows(statement % (", ".join(columns), name, "id" if name == "ledger" else columns[0]))
    database.close()
    return found


def write(database: Database, first: int, count: int) -> None:
    config = SqlConfigStore(database)
    for number in range(first, first + count):
        config.create("team", str(number), b'{"n":1}', CHANGE)
    SqlLedger(database).post([entry(number, model="ü") for number in range(first, first + count)])


def test_every_table_is_copied_with_every_column() -> None:
    made_of_the_ledger = {"usage_hours", "usage_days", "usage_summed", "ledger_days", "ledger_summed"}
    described = {
        name: {column.name for column in table.columns}
        for name, table in metadata.tables.items()
        if name not in made_of_the_ledger
    }
    assert {**{name: set(columns) for name, columns in TABLES.items()}, "meta": {"key", "value"}} == {
        **described,
        "ledger": described["ledger"] - {"id"},
    }
    assert set(TABLES["ledger"]) == set(LedgerRow._fields)


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_what_comes_back_is_what_was_there(url: str, into: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    fill(url, [])
    database = open_database(url)
    write(database, 0, 30)
    file = str(tmp_path / "copy.db")
    saved = save(url, file)
    assert (saved.entities, saved.ledger_rows, saved.cost_nanodollars) == (30, 30, 30_000 + sum(range(30)))
    before = content(url)
    write(database, 30, 5)
    database.close()
    target = sqlite_url(str(tmp_path / "other.db"))
    if into == "postgresql":
        target = request.getfixturevalue("postgres").database(empty=True)
    assert restore(file, target) == saved
    assert content(target) == before
    # It can be gone on with.
    again = open_database(target)
    write(again, 30, 5)
    assert SqlLedger(again).usage(UsageQuery())[0].requests == 35
    again.close()


def test_a_copy_taken_while_it_is_written_is_one_state(url: str, tmp_path: Path) -> None:
    """Each transaction posts rows that cost a million together: any state's sum is a multiple."""
    database = open_database(url)
    ledger, stop, written = SqlLedger(database), threading.Event(), [0]

    def post() -> None:
        while not stop.is_set():
            first = written[0] * 4
            ledger.post([entry(first + each, cost_nanodollars=250_000) for each in range(4)])
            written[0] += 1

    writer = threading.Thread(target=post)
    writer.start()
    try:
        for number in range(3):
            least = written[0]
            saved = save(url, str(tmp_path / f"{number}.db"))
            assert saved.cost_nanodollars % 1_000_000 == 0
            assert saved.ledger_rows == saved.cost_nanodollars // 250_000
            assert 4 * least <= saved.ledger_rows <= 4 * (written[0] + 1)
    finally:
        stop.set()
        writer.join()
        database.close()


def test_a_server_s_database_must_be_empty(postgres: PostgresServer, tmp_path: Path) -> None:
    url, file = postgres.database(), str(tmp_path / "copy.db")
    database = open_database(url)
    write(database, 0, 1)
    database.close()
    save(url, file)
    before = content(url)
    with pytest.raises(BackupError, match="holds rows already"):
        restore(file, url)
    assert content(url) == before


# -- the commands


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    url = sqlite_url(str(directory / "control.db"))
    upgrade(url)
    fill(url, [entry(1), entry(2)])
    return directory


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--data-dir", str(data_dir)])


def test_there_and_back(data_dir: Path, tmp_path: Path) -> None:
    file, path = str(tmp_path / "copy.db"), data_dir / "control.db"
    done = run(data_dir, "backup", file)
    assert done.output == f"{file}: 0 entities, 2 rows of the ledger, 0.000002003 USD in all\n"
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert [name.name for name in tmp_path.iterdir() if "copy" in name.name] == ["copy.db"]
    database = open_database(sqlite_url(str(path)))
    SqlLedger(database).post([entry(3)])
    # A WAL that must not be given to what is restored.
    copies = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    database.close()
    for suffix, data in copies.items():
        Path(f"{path}{suffix}").write_bytes(data)
    done = run(data_dir, "restore", file)
    assert (done.exit_code, done.output) == (0, "restored: 0 entities, 2 rows of the ledger, 0.000002003 USD in all\n")
    assert len(content(sqlite_url(str(path)))["ledger"]) == 2
    assert len(content(sqlite_url(f"{path}.before-restore"))["ledger"]) == 3


def test_a_file_that_is_there_is_not_written_over(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("mine")
    done = run(data_dir, "backup", str(file))
    assert (done.exit_code, "exists" in done.output) == (1, True)
    assert file.read_text() == "mine"


def test_a_running_gateway_keeps_its_database(data_dir: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "copy.db")
    run(data_dir, "backup", file)
    lock = InstanceLock(Paths(str(data_dir)).lock, str(data_dir))
    lock.sign()
    done = run(data_dir, "restore", file)
    lock.close()
    assert (done.exit_code, "stop it first" in done.output) == (1, True)
    assert not (data_dir / "control.db.before-restore").exists()


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut", "flipped", "another program's", "newer"])
def test_what_is_no_sound_copy_is_not_restored(data_dir: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "copy.db"
    database = open_database(sqlite_url(str(data_dir / "control.db")))
    write(database, 10, 50)
    database.close()
    run(data_dir, "backup", str(file))
    whole = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "garbage":
        file.write_bytes(b"no database" * 500)
    elif damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        for at in range(5 * 4096, len(whole), 4096):
            whole[at : at + 8] = b"\xff" * 8
        file.write_bytes(whole)
    else:
        if damage == "another program's":
            file.unlink()
        connection = sqlite3.connect(file)
        text = "UPDATE alembic_version SET version_num = '9999'"
        connection.execute(text if damage == "newer" else "CREATE TABLE x (y)")
        connection.commit()
        connection.close()
    before = content(sqlite_url(str(data_dir / "control.db")))
    done = run(data_dir, "restore", str(file))
    assert done.exit_code == 1, done.output
    assert done.output.startswith("microgate: ")
    assert content(sqlite_url(str(data_dir / "control.db"))) == before

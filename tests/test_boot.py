"""The first snapshot: written, or a clear word and an exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from _speedups._bucket import Arena
from gateway.boot import LAST_GOOD, make, prepare
from gateway.processes.context import BootOptions
from gateway.processes.paths import Paths
from gateway.snapshot import store
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import KeyTable
from gateway.snapshot.model import Snapshot
from gateway.snapshot.sealing import seal

BENCH = """\
providers:
  mock:
    dialect: openai_chat
    base_url: http://127.0.0.1:9001/v1
    keys: [{name: k1, value: sk-upstream}]
virtual_keys:
  - {name: bench, value: sk-0123456789012345678901}
"""


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path / "data"))
    made.create()
    Arena.create(made.arena, workers=1, capacity=64, reservations=64, boot_id=b"b" * 16).close()
    yield made
    for name in os.listdir(made.runtime_dir):
        os.unlink(os.path.join(made.runtime_dir, name))
    os.rmdir(made.runtime_dir)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH)
    return str(path)


def current(paths: Paths) -> Snapshot:
    snapshot = store.current(paths)
    assert snapshot is not None
    return snapshot


def opens(paths: Paths, key: str) -> bool:
    snapshot = current(paths)
    table = KeyTable.open(os.path.join(paths.runtime_dir, snapshot.table))
    row = table.find(key_digest(snapshot.pepper, key.encode()))
    enabled = row >= 0 and table.row(row).enabled
    table.close()
    return enabled


def test_from_a_file(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(BootOptions(config_file=file), paths, {}) == 0
    assert capsys.readouterr().err == ""
    snapshot = current(paths)
    assert snapshot.version == 1
    assert snapshot.providers["mock"].keys[0].value == "sk-upstream"
    assert opens(paths, "sk-0123456789012345678901")
    assert not opens(paths, "sk-other")


def test_without_a_file(paths: Paths) -> None:
    assert prepare(BootOptions(), paths, {}) == 0
    assert (current(paths).providers, current(paths).virtual_keys) == ({}, 0)


def test_demo(paths: Paths) -> None:
    assert prepare(BootOptions(demo=True, demo_key="mg-demo-1"), paths, {}) == 0
    assert current(paths).providers["demo"].base_url == f"unix:{paths.demo_socket}|/v1"
    assert current(paths).settings.demo
    assert opens(paths, "mg-demo-1")


def test_again_and_again(paths: Paths, file: str) -> None:
    for version in (1, 2, 3):
        assert prepare(BootOptions(config_file=file), paths, {}) == 0
        assert current(paths).version == version
    assert sorted(os.listdir(paths.runtime_dir)) == ["arena", "current", "snapshot-3.mp", "vkeys-1.tbl"]


def test_slots_of_what_is_gone_are_free_again(paths: Paths, tmp_path: Path) -> None:
    limited = tmp_path / "limited.yaml"
    limited.write_text(BENCH.replace("901}", "901, limits: [{requests: 5, per: 1m}, {concurrency: 2}]}"))
    arena = Arena.attach(paths.arena)
    slots = set()
    for text in (str(limited), None, str(limited)):
        assert prepare(BootOptions(config_file=text), paths, {}) == 0
        slots.add(arena.allocate())
    arena.close()
    assert max(slots) <= 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("providers: [", "bench.yaml:2:1: not valid YAML"),
        (
            "providers: {a: {base_ulr: x}}",
            "bench.yaml:1:17: providers.a.base_ulr: unknown field; did you mean base_url?",
        ),
    ],
)
def test_a_wrong_file(paths: Paths, file: str, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(text)
    assert prepare(BootOptions(config_file=file), paths, {}) == 2
    assert message in capsys.readouterr().err
    assert store.current(paths) is None


def test_a_missing_file(paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(BootOptions(config_file=str(tmp_path / "none.yaml")), paths, {}) == 2
    assert "none.yaml: cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_wrong_file_never_replaces_what_there_is(paths: Paths, file: str) -> None:
    assert prepare(BootOptions(config_file=file), paths, {}) == 0
    before = current(paths)
    Path(file).write_text("providers: 7")
    assert prepare(BootOptions(config_file=file), paths, {}) == 2
    assert current(paths) == before


def test_warnings_are_said(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(BENCH.replace("sk-0123456789012345678901", "sk-test-123"))
    assert prepare(BootOptions(config_file=file), paths, {}) == 0
    assert "microgate: " in (said := capsys.readouterr().err)
    assert "warning: virtual_keys[0].value: is short enough to be guessed" in said
    assert "sk-test-123" not in said


def test_the_command_line_decides_where_to_listen(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(BENCH + "server: {port: 9000, host: 127.0.0.1}\n")
    assert prepare(BootOptions(config_file=file, port=8080), paths, {}) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [f"microgate: warning: server.port is 9000 in {file}, but --port decides, and it is 8080"]


def test_no_arena(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.unlink(paths.arena)
    assert prepare(BootOptions(config_file=file), paths, {}) == 1
    assert "microgate: cannot prepare the configuration: " in capsys.readouterr().err


def test_a_key_file_that_others_can_read(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    store.load_or_create_keys(paths.key_file)
    os.chmod(paths.key_file, 0o644)
    assert prepare(BootOptions(config_file=file), paths, {}) == 1
    assert "chmod 600" in capsys.readouterr().err


def seal_as_control_does(paths: Paths, file: str, *, from_database: bool) -> None:
    arena = Arena.attach(paths.arena)
    made = make(BootOptions(config_file=file), paths, arena, store.current(paths), {})
    arena.close()
    plan = made.plan
    if from_database:
        provider = msgspec.structs.replace(plan.providers["mock"], id="0190a1b2-0000-7000-8000-000000000000", name="db")
        plan = msgspec.structs.replace(plan, providers={"db": provider})
    seal(paths.sealed, store.load_or_create_keys(paths.key_file).sealing, plan, made.built.snapshot.version)


def test_what_the_database_had_is_taken_over(paths: Paths, file: str) -> None:
    seal_as_control_does(paths, file, from_database=True)
    assert prepare(BootOptions(config_file=file), paths, {}) == 0
    assert set(current(paths).providers) == {"mock", "db"}
    assert current(paths).version == 2
    # What an earlier file had declared is gone with it; what the database had is not.
    assert prepare(BootOptions(), paths, {}) == 0
    assert set(current(paths).providers) == {"db"}


def test_the_last_good_configuration_only_when_asked_for(
    paths: Paths, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seal_as_control_does(paths, file, from_database=False)
    Path(file).write_text("providers: 7")
    assert prepare(BootOptions(config_file=file), paths, {}) == 2
    assert f"{LAST_GOOD}=1 starts from the configuration that last worked" in capsys.readouterr().err
    assert prepare(BootOptions(config_file=file), paths, {LAST_GOOD: "1"}) == 0
    assert "starting from the configuration that last worked" in capsys.readouterr().err
    assert set(current(paths).providers) == {"mock"}
    assert opens(paths, "sk-0123456789012345678901")


def test_without_a_sealed_copy_there_is_no_last_good(
    paths: Paths, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file).write_text("providers: 7")
    assert prepare(BootOptions(config_file=file), paths, {LAST_GOOD: "1"}) == 2
    assert LAST_GOOD not in capsys.readouterr().err


def test_a_sealed_copy_of_another_installation(paths: Paths, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    seal_as_control_does(paths, file, from_database=True)
    os.unlink(paths.key_file)
    assert prepare(BootOptions(config_file=file), paths, {}) == 1
    assert "was changed or was sealed with another key file" in capsys.readouterr().err


def test_the_ordinary_start_does_not_import_cryptography(paths: Paths, file: str) -> None:
    code = (
        "import sys; from gateway.boot import prepare; from gateway.processes.context import BootOptions; "
        "from gateway.processes.paths import Paths; "
        f"options = BootOptions(config_file={file!r}, demo=True, demo_key='mg-demo-1'); "
        f"assert prepare(options, Paths({paths.data_dir!r})) == 0; "
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert {"msgspec", "yaml"} <= loaded
    assert (
        loaded & {"cryptography", "orjson", "uvloop", "httptools", "litestar", "sqlalchemy", "click", "asyncio"}
        == set()
    )

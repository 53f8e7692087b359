"""``microgate check``, ``diff`` and ``export``: the file, and the file beside the database."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli.commands import cli
from gateway.config.export import document, reference
from gateway.config.loader import loads
from gateway.control.migrate import upgrade
from gateway.stores.urls import sqlite_url
from tests.cli.stored_entities import SECRET, fill

ROOT = Path(__file__).resolve().parents[2]
OF_FILE = "sk-canary-of-the-file-0123456789abcd"
FILE = f"""\
time_zone: Europe/Berlin
providers:
  main:
    base_url: env.MAIN_URL
    keys: [{{name: a, value: {OF_FILE}}}, {{name: b, value: env.MAIN_KEY}}]
    headers: {{X-Team: blue, X-Api-Key: {OF_FILE}-2, X-Trace: env.TRACE}}
    timeouts: {{connect: 1500ms}}
routes:
  chat: {{targets: [main/gpt, {{provider: main, model: small, weight: 2}}]}}
customers: {{acme: {{budgets: [{{usd: "12.50", per: month}}]}}}}
teams: {{red: {{customer: acme, limits: [{{tokens: 1000, per: 30d, window: rolling}}]}}}}
virtual_keys:
  - {{name: alice, value: env.ALICE, team: red, limits: [{{requests: 60, per: 1m}}, {{concurrency: 4}}]}}
prices: [{{provider: main, input: "1.1", output: 8}}]
log: {{retention: 30d}}
"""
ENVIRON = {
    "MAIN_URL": "http://127.0.0.1:9/v1",
    "MAIN_KEY": "sk-canary-of-a-variable-0123456789",
    "TRACE": "canary-trace",
    "ALICE": "sk-canary-alice-0123456789abcdef",
}
ENTITIES: dict[tuple[str, str], dict[str, Any]] = {
    ("provider", "extra"): {"base_url": "https://example.com/v1", "keys": [{"name": "k", "value": SECRET}]},
    ("route", "chat"): {"targets": ["main/other"]},
    ("route", "more"): {"targets": ["extra/m"]},
    ("route", "lost"): {"targets": ["gone/m"]},
    ("virtual_key", "bob"): {"limits": [{"requests": 5, "per": "1h"}]},
}


class AnyVariable(dict[str, str]):
    """Every variable is set."""

    def get(self, name: str, default: Any = None) -> Any:
        return ENVIRON.get(name, f"sk-{name.lower().replace('_', '-')}-0123456789abcdef")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    migrated = tmp_path_factory.mktemp("migrated") / "control.db"
    upgrade(sqlite_url(str(migrated)))
    fill(directory, migrated, ENTITIES)
    return directory


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No gateway of this machine is looked at."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("MICROGATE_DATA_DIR", "MICROGATE_DATABASE", "MICROGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(FILE)
    return path


def run(*arguments: object, env: Mapping[str, str] = ENVIRON) -> Result:
    done = CliRunner().invoke(cli, [str(each) for each in arguments], env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    assert "canary" not in done.output, "no secret, and nothing that a variable holds"
    return done


# -- check


def test_check_names_what_the_database_has_in_vain(file: Path, data_dir: Path) -> None:
    done = run("check", file, "--data-dir", data_dir)
    assert done.exit_code == 0, done.output
    lines = done.output.replace(f"{file}", "c.yaml").splitlines()
    assert lines[0] == "c.yaml: ok (1 provider, 2 provider keys, 1 route, 1 virtual key)"
    assert "warning: route/chat of the database is left out: the file declares one of this name" in lines
    assert any(line.startswith("warning: route/lost of the database is left out: ") for line in lines)
    assert lines[-1] == "with the database: 2 providers, 3 provider keys, 2 routes, 2 virtual keys"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data-dir", "/nonexistent"], "/nonexistent/control.db does not exist"),
        (["--database", "mysql://u:hunter2@h/n"], "no config store is known for mysql"),
    ],
)
def test_check_of_a_database_that_cannot_be_read(file: Path, arguments: list[str], message: str) -> None:
    done = run("check", file, *arguments)
    assert done.exit_code == 1
    assert f"the database: {message}" in done.output
    assert "hunter2" not in done.output


def test_check_without_the_master_key(file: Path, data_dir: Path, tmp_path: Path) -> None:
    without = tmp_path / "data"
    shutil.copytree(data_dir, without, ignore=lambda _, names: [name for name in names if name == "master.key"])
    done = run("check", file, "--data-dir", without)
    assert done.exit_code == 1
    assert "the database: secrets of this data directory are encrypted with the master key" in done.output
    assert not (without / "master.key").exists()


# -- export


def exported(*arguments: object) -> tuple[dict[str, Any], str]:
    done = run("export", *arguments)
    assert done.exit_code == 0, done.output
    return yaml.safe_load(done.stdout), done.stderr


def test_export_has_file_and_database(file: Path, data_dir: Path) -> None:
    found, told = exported("--config", file, "--data-dir", data_dir)
    assert found["providers"]["main"]["base_url"] == "env.MAIN_URL"
    assert [key["value"] for key in found["providers"]["main"]["keys"]] == [
        "env.MICROGATE_PROVIDERS_MAIN_KEYS_A_VALUE", "env.MAIN_KEY",
    ]  # fmt: skip
    assert found["providers"]["main"]["headers"] == {
        "X-Team": "blue", "X-Api-Key": "env.MICROGATE_PROVIDERS_MAIN_HEADERS_X_API_KEY", "X-Trace": "env.TRACE",
    }  # fmt: skip
    assert found["providers"]["extra"]["keys"] == [{"name": "k", "value": "env.MICROGATE_PROVIDERS_EXTRA_KEYS_K_VALUE"}]
    assert found["routes"] == {"chat": {"targets": ["main/gpt", {"provider": "main", "model": "small", "weight": 2}]},
                               "more": {"targets": ["extra/m"]}}  # fmt: skip
    assert found["customers"]["acme"]["budgets"] == [{"usd": "12.5", "per": "month"}]
    assert found["log"] == {"retention": "30d"}
    assert found["virtual_keys"][1] == {
        "name": "bob", "value": "env.MICROGATE_VIRTUAL_KEYS_BOB_VALUE", "limits": [{"requests": 5, "per": "1h"}],
    }  # fmt: skip
    assert "left out: route/chat of the database" in told
    assert "providers.extra.keys.k.value is not in it: set MICROGATE_PROVIDERS_EXTRA_KEYS_K_VALUE" in told


def test_what_is_exported_can_be_used_and_is_the_same(file: Path) -> None:
    found, _ = exported("--config", file)
    first = loads(FILE, "c.yaml", ENVIRON).config
    again = loads(yaml.safe_dump(found), "c.yaml", AnyVariable()).config
    named = [document(config, lambda _, path: reference(path)) for config in (first, again)]
    assert named[0] == named[1]
    assert again.teams["red"].limits == first.teams["red"].limits
    assert again.customers["acme"].budgets == first.customers["acme"].budgets


def test_export_of_what_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("server: {prot: 1}")
    done = run("export", "--config", bad)
    assert (done.exit_code, "server.prot: unknown field" in done.stderr) == (2, True)
    done = run("export", "--data-dir", tmp_path)
    assert (done.exit_code, "control.db does not exist" in done.stderr) == (1, True)


# -- diff


def test_diff_names_every_change_and_no_secret(file: Path, data_dir: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    text = FILE.replace("requests: 60", "requests: 600").replace(f"value: {OF_FILE}", f"value: {OF_FILE}x")
    text = (
        text.replace("time_zone: Europe/Berlin\n", "").replace("  chat:", "  more:").replace("weight: 2", "weight: 3")
    )
    text = text.replace("output: 8", "output: 9")
    new.write_text(text)
    done = run("diff", new, "--config", file, "--data-dir", data_dir)
    assert done.exit_code == 1, done.output
    assert done.output.splitlines() == [
        "~ provider/main.keys.a.value: another secret",
        "~ route/chat.targets: [main/gpt, {provider: main, model: small, weight: 2}] -> [main/other]",
        "~ route/more.targets: [extra/m] -> [main/gpt, {provider: main, model: small, weight: 3}]",
        "~ virtual_key/alice.limits[0].requests: 60 -> 600",
        "~ price/0.output: 8 -> 9",
        "~ time_zone: Europe/Berlin -> (default)",
        "! route/more of the database would be left out: the file declares one of this name",
    ]


def test_diff_of_the_same_and_of_what_comes_and_goes(file: Path, tmp_path: Path) -> None:
    done = run("diff", file, "--config", file)
    assert (done.exit_code, done.output) == (0, "no difference\n")
    new = tmp_path / "new.yaml"
    new.write_text(FILE + "model_lists: {refresh: 2h}\n")
    assert run("diff", new, "--config", file).output == "~ model_lists.refresh: (default) -> 2h\n"
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    gone = run("diff", empty, "--config", file).output.splitlines()
    assert {"- provider/main", "- route/chat", "- team/red", "- customer/acme", "- virtual_key/alice"} <= set(gone)
    come = run("diff", file, "--config", empty).output.splitlines()
    assert {"+ provider/main", "+ route/chat", "~ log.retention: (default) -> 30d"} <= set(come)


def test_diff_without_anything_to_compare_with(file: Path, tmp_path: Path) -> None:
    done = run("diff", file, "--data-dir", tmp_path)
    assert done.exit_code == 2
    assert "or say with --config which file is in force" in done.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("nothing: 1")
    done = run("diff", wrong, "--config", file)
    assert (done.exit_code, "nothing: unknown field" in done.stderr) == (2, True)

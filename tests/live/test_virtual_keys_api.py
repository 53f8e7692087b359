"""Virtual keys made through the API: from the call to the workers that serve them, to their revocation."""

from __future__ import annotations

import io
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.commands import cli
from gateway.cli.diff import diff
from gateway.cli.merged import Where
from gateway.snapshot.digest import hash_of
from gateway.virtual_key import is_own
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

PATH = "/api/virtual-keys"


class Desk:
    """The admin API of an instance, asked with its admin token."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        wait_for(lambda: self.ask("GET", PATH).status == 200, "the database")

    def ask(self, method: str, path: str, body: object = None, version: int = 0) -> Answer:
        token = (Path(self.gateway.data_dir) / "admin.token").read_text().strip()
        fields = [("If-Match", f'"{version}"')] if version else []
        raw = None if body is None else json.dumps(body).encode()
        return ask(self.gateway.port, request(method, path, raw, token, fields=fields))

    def made(self, name: str, **spec: object) -> dict[str, Any]:
        answer = self.ask("POST", PATH, {"name": name, "spec": spec})
        assert answer.status == 201, answer.body
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def status(self, key: str, model: str = "m") -> int:
        return ask(self.gateway.port, request(body=json.dumps({"model": model}).encode(), key=key)).status


@pytest.fixture(scope="module")
def desk(upstream_for_module: Upstream, start_for_module: Start) -> Desk:
    return Desk(start_for_module(configuration(upstream_for_module.url), workers=2))


def test_a_key_serves_when_the_answer_is_there_and_is_shown_once(desk: Desk) -> None:
    made = desk.made("first")
    key = made["key"]
    assert is_own(key.encode())
    assert (made["state"], made["source"], made["version"]) == ("in_force", "database", 1)
    assert made["shown"] == f"sk-mg-...{key[-4:]}"
    assert desk.status(key) == 200
    for path in (f"{PATH}/{made['id']}", PATH, "/api/audit", "/api/config"):
        assert key[6:14] not in desk.ask("GET", path).body.decode()
    with sqlite3.connect(f"file:{desk.gateway.paths.control_db}?mode=ro", uri=True) as reader:
        assert key[6:14] not in "\n".join(reader.iterdump())


def test_a_removed_key_is_refused_by_every_worker_at_once(desk: Desk) -> None:
    made = desk.made("going")
    assert [desk.status(made["key"]) for _ in range(8)] == [200] * 8
    assert desk.ask("DELETE", f"{PATH}/{made['id']}", version=1).status == 204
    assert [desk.status(made["key"]) for _ in range(8)] == [401] * 8
    assert desk.ask("GET", f"{PATH}/{made['id']}").status == 404


def test_a_change_is_in_force_with_its_answer(desk: Desk) -> None:
    made = desk.made("changing")
    one = f"{PATH}/{made['id']}"
    assert desk.ask("PUT", one, {"spec": {"models": ["other"]}}, version=1).status == 200
    assert [desk.status(made["key"]) for _ in range(4)] == [403] * 4
    assert desk.ask("PUT", one, {"spec": {"enabled": False}}, version=2).status == 200
    assert [desk.status(made["key"]) for _ in range(4)] == [401] * 4
    limited = {"limits": [{"requests": 3, "per": 3600.0}]}
    assert desk.ask("PUT", one, {"spec": limited, "name": "changed"}, version=3).status == 200
    assert [desk.status(made["key"]) for _ in range(5)] == [200] * 3 + [429] * 2
    shown = json.loads(desk.ask("GET", one).body)
    assert (shown["name"], shown["version"], shown["spec"]) == ("changed", 4, limited)
    # Somebody else was quicker.
    assert desk.ask("PUT", one, {"spec": {}}, version=3).status == 412
    assert desk.ask("PUT", one, {"spec": {}}).status == 428


def test_another_value_for_the_same_key(desk: Desk) -> None:
    made = desk.made("renewed")
    renewed = json.loads(desk.ask("POST", f"{PATH}/{made['id']}/renew", version=1).body)
    assert renewed["key"] != made["key"]
    assert (desk.status(made["key"]), desk.status(renewed["key"])) == (401, 200)


def test_keys_of_elsewhere_are_taken_over(desk: Desk) -> None:
    own, hashed = "sk-brought-along-0123456789", "sk-known-by-hash-0123456789"
    assert desk.made("brought", value=own)["shown"] == "...6789"
    assert desk.made("hashed", hash=hash_of(hashed.encode()))["shown"] == "imported"
    assert (desk.status(own), desk.status(hashed)) == (200, 200)


def test_an_expired_key_is_refused(desk: Desk) -> None:
    made = desk.made("expiring", expires=int(time.time()) + 4)
    assert desk.status(made["key"]) == 200
    wait_for(lambda: desk.status(made["key"]) == 401, "its end")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "x", "spec": {"modles": []}}, "unknown field `modles`"),
        ({"name": "x", "spec": {"limits": [{"per": "1h"}]}}, "exactly one of"),
        ({"name": "x", "spec": {"providers": ["gone"]}}, "no provider is called gone"),
        ({"name": "x", "spec": {"value": "short"}}, "at least 20"),
        ({"name": "x", "spec": {"hash": "md5:0"}}, "expected sha256:"),
        ({"name": "a b", "spec": {}}, "name: "),
        ({"name": "test", "spec": {}}, "the file declares one of this name"),
        ({"name": "x", "spec": {"value": KEY}}, "another virtual key has the same value"),
        ({"spec": {}}, "missing required field `name`"),
    ],
)
def test_what_would_not_come_into_force_is_refused(desk: Desk, body: object, said: str) -> None:
    answer = desk.ask("POST", PATH, body)
    assert (answer.status, said in answer.body.decode()) == (400, True), answer.body


def test_names_are_taken_once(desk: Desk) -> None:
    desk.made("taken")
    assert desk.ask("POST", PATH, {"name": "taken", "spec": {}}).status == 409


def test_the_files_keys_are_listed_and_read_only(desk: Desk) -> None:
    entries = json.loads(desk.ask("GET", f"{PATH}?limit=1").body)
    [entry] = entries["entries"]
    assert (entry["id"], entry["source"], entry["shown"]) == ("file:virtual_key/test", "file", f"...{KEY[-4:]}")
    assert desk.ask("DELETE", f"{PATH}/file:virtual_key/test", version=1).status in (403, 404)
    seen = [entry["name"]]
    while entries["next"] is not None:
        entries = json.loads(desk.ask("GET", f"{PATH}?limit=2&cursor={entries['next']}").body)
        seen += [entry["name"] for entry in entries["entries"]]
    assert len(seen) == len(set(seen)) > 5
    assert desk.ask("GET", f"{PATH}?cursor=nonsense").status == 400


def test_keys_of_the_database_outlive_restarts_and_files(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    desk = Desk(gateway)
    kept, gone = desk.made("kept"), desk.made("gone")
    assert desk.status(kept["key"]) == 200
    assert desk.ask("DELETE", f"{PATH}/{gone['id']}", version=1).status == 204
    sealed = Path(gateway.data_dir) / "snapshot.sealed"
    before = sealed.stat().st_mtime_ns if sealed.exists() else 0
    desk.made("last")
    wait_for(lambda: sealed.exists() and sealed.stat().st_mtime_ns != before, "the sealed copy")
    gateway.kill()
    gateway.start()
    # At once, before there is a control process.
    assert (desk.status(kept["key"]), desk.status(gone["key"])) == (200, 401)
    # A file that declares the name wins, and says so.
    config = configuration(upstream.url, virtual_keys=[{"name": "kept", "value": "sk-of-the-file-0123456789"}])
    Desk(gateway)
    gateway.configure(config)
    wait_for(lambda: desk.status("sk-of-the-file-0123456789") == 200, "the file")
    assert desk.status(kept["key"]) == 401
    assert json.loads(desk.ask("GET", "/api/config").body)["shadowed"] == ["virtual_key/kept"]
    assert json.loads(desk.ask("GET", f"{PATH}/{kept['id']}").body)["state"] == "shadowed"
    gateway.configure(configuration(upstream.url))
    wait_for(lambda: desk.status(kept["key"]) == 200, "its return")


def test_the_running_gateway_says_which_file_is_in_force(desk: Desk, tmp_path: Path) -> None:
    report = json.loads(desk.ask("GET", "/api/config").body)
    assert report["file"] == str(desk.gateway.config_file)
    out = io.StringIO()
    where = Where(data_dir=str(desk.gateway.data_dir))
    assert diff(report["file"], "", where, out) == 0, out.getvalue()
    new = tmp_path / "new.json"
    new.write_text(desk.gateway.config_file.read_text().replace('"mock/m"', '"mock/other"'))
    assert diff(str(new), "", where, out := io.StringIO()) == 1
    assert out.getvalue() == "~ route/m.targets[0]: mock/m -> mock/other\n"


def test_prices_are_set_by_command(desk: Desk) -> None:
    data_dir = str(desk.gateway.data_dir)

    def told(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["prices", "set", *arguments, "--data-dir", data_dir])
        return done.exit_code, done.output

    def cost() -> str | None:
        return ask(desk.gateway.port).header("x-microgate-cost")

    assert told("mock/m", "--input", "1")[1].startswith("microgate: --input and --output are needed")
    assert told("mock/m", "--input", "1", "--output", "2") == (0, "mock/m: set\n")
    # Nine tokens of input and four of output.
    assert cost() == "0.000017000"
    assert told("mock/m", "--input", "1", "--output", "2", "--request", "0.5") == (0, "mock/m: set\n")
    assert cost() == "0.500017000"
    assert told("mock/*", "--input", "7", "--output", "7", "--key", "test") == (0, "mock/*+test: set\n")
    assert cost() == "0.000091000"
    assert told("mock/*", "--key", "test", "--remove") == (0, "mock/*+test: removed\n")
    assert told("mock/m", "--remove") == (0, "mock/m: removed\n")
    assert cost() is None
    for arguments, message in (
        (("mock/m", "--remove"), "no rule was set for mock/m"),
        (("m", "--input", "1", "--output", "1"), "'m' is no PROVIDER/MODEL"),
        (("nowhere/m", "--input", "1", "--output", "1"), "no provider is called nowhere"),
        (("mock/m", "--input", "lots", "--output", "1"), "input"),
    ):
        status, said = told(*arguments)
        assert (status, message in said) == (1, True), said

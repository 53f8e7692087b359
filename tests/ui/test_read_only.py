"""I10: the database can only be read. What is there is shown, a banner says what does not work, and every change is
refused with the reason."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.control.authorisation import rows
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.wire import Answer, ask, request
from tests.ui.browser import NAME, PASSWORD, Admin, Window, serious
from tests.ui.seed import provider, vendors
from tests.waiting import wait_for

WHY = "nothing can be changed now: the database can only be read"
NO_SUPERUSER = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
"""What lets root write a file whose mode forbids it is taken from the gateway's processes."""


@pytest.fixture(scope="module")
def made(start_for_module: Start) -> Iterator[Gateway]:
    with vendors() as port:
        gateway = start_for_module({"model_lists": {"refresh": 0}})
        gateway.wait_for_control()
        admin = Admin(gateway)
        admin.ask("POST", "/api/operators", {"name": NAME, "role": "admin", "password": PASSWORD})
        provider(admin, "house", f"http://127.0.0.1:{port}/v1", ("main", 1))
        admin.make("teams", "research")
        gateway.folder.joinpath("key").write_text(admin.make("virtual-keys", "bob", team="research")["key"])
        admin.make("routes", "fast", targets=["house/echo"])
        assert admin.chat(gateway.folder.joinpath("key").read_text(), "fast") == 200
        yield gateway


@pytest.fixture(scope="module")
def session(chromium: Browser, made: Gateway) -> StorageState:
    window = Window(chromium, made.base_url)
    window.log_in()
    state = window.context.storage_state()
    window.close()
    return state


@pytest.fixture(scope="module")
def frozen(made: Gateway, session: StorageState) -> Iterator[Gateway]:
    """The same instance, started again over a file that it may not write."""
    database = Path(made.paths.control_db)
    made.stop()
    with closing(sqlite3.connect(database)) as writer, writer:
        # As after a while: the next request would note that the session is in use.
        writer.execute("UPDATE credentials SET used_us = used_us - ?", (120_000_000,))
    database.chmod(0o444)
    made.launcher = NO_SUPERUSER
    made.start()
    made.wait_for_control()
    yield made
    database.chmod(0o600)


def api(gateway: Gateway, method: str, path: str, body: object = None, version: int | None = None) -> Answer:
    fields = [] if version is None else [("If-Match", f'"{version}"')]
    raw = None if body is None else json.dumps(body).encode()
    return ask(gateway.port, request(method, path, raw, Admin(gateway).token, fields=fields))


def test_what_is_there_is_told_and_served(frozen: Gateway) -> None:
    assert Admin(frozen).chat(frozen.folder.joinpath("key").read_text(), "fast") == 200
    health = Admin(frozen).ask("GET", "/api/health")
    assert health["status"] == "degraded"
    assert any("can be read, but not changed" in reason for reason in health["reasons"])
    # A stream without an end, and one's own of a person.
    left_out = ("/api/live", "/api/tokens")
    reads = sorted(path for path, method in rows() if method == "GET" and "{" not in path and path not in left_out)
    assert {path: status for path in reads if (status := api(frozen, "GET", path).status) != 200} == {}


def test_every_change_is_refused_and_says_why(frozen: Gateway) -> None:
    teams = Admin(frozen).ask("GET", "/api/teams")["entries"]
    view = {"name": "mine", "page": "logs", "query": {}}
    tried: list[tuple[str, str, object, int | None]] = [
        ("POST", "/api/customers", {"name": "new", "spec": {}}, None),
        ("POST", "/api/virtual-keys", {"name": "new", "spec": {}}, None),
        ("POST", "/api/routes", {"name": "new", "spec": {"targets": ["house/echo"]}}, None),
        ("PUT", f"/api/teams/{teams[0]['id']}", {"spec": {"metadata": {"a": "b"}}}, teams[0]["version"]),
        ("DELETE", f"/api/teams/{teams[0]['id']}", None, teams[0]["version"]),
        ("PUT", "/api/settings/retry", {"spec": {"attempts": 2}}, 0),
        ("POST", "/api/operators", {"name": "new", "role": "viewer", "password": PASSWORD}, None),
        ("POST", "/api/views", view, None),
        ("POST", "/api/playground", {}, None),
        ("POST", "/api/login", {"name": NAME, "password": PASSWORD}, None),
    ]
    for method, path, body, version in tried:
        answer = api(frozen, method, path, body, version)
        assert (answer.status, json.loads(answer.body)["error"]["message"]) == (503, WHY), (method, path)
        assert answer.header("retry-after") == "1"
    assert Admin(frozen).ask("GET", "/api/teams")["entries"] == teams


def test_a_banner_says_so_and_pages_show_what_there_is(
    chromium: Browser, frozen: Gateway, session: StorageState
) -> None:
    window = Window(chromium, frozen.base_url, state=session)
    page = window.page
    banner = page.get_by_role("status").filter(has_text="Changes cannot be saved now")
    for path, what in (("routes", "fast"), ("keys", "bob"), ("logs", "fast"), ("users", NAME)):
        window.open(path)
        expect(banner).to_contain_text("can be read, but not changed")
        expect(page.get_by_role("main").get_by_text(what, exact=True).first).to_be_visible()
    assert serious(page) == []
    window.expected = {503}
    window.open("keys?tab=teams")
    page.get_by_role("button", name="New team").first.click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name", exact=True).fill("new")
    page.get_by_role("dialog").get_by_role("button", name="Create the team").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(WHY)
    window.close()


def test_changes_are_taken_once_it_can_be_written(frozen: Gateway) -> None:
    """Without a restart. What SQLite keeps beside the file has the mode that the file had."""
    for each in Path(frozen.data_dir).glob("control.db*"):
        each.chmod(0o600)
    body = {"name": "new", "spec": {}}
    wait_for(lambda: api(frozen, "POST", "/api/teams", body).status == 201, "a change that is taken")
    health = Admin(frozen).ask("GET", "/api/health")
    assert not any("database" in reason for reason in health["reasons"])

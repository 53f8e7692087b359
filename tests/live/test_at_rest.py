"""A stolen database: nothing in it, in its WAL, in backups, in logs or in the sealed copy opens anything."""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.control.backup import save
from gateway.snapshot.store import load_or_create_keys
from gateway.stores.urls import sqlite_url
from gateway.virtual_key import is_own
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, files_in
from tests.live.rounds import measured, rounds
from tests.live.test_providers_api import CANARY, made, provider
from tests.live.test_virtual_keys_api import Desk
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, ask, request
from tests.waiting import wait_for

PASSWORD = "correct horse battery staple"
RUN = 8
KEYS_THEMSELVES = {"admin.token", "microgate.key", "master.key", "setup.secret"}
"""What has to be stolen as well; each lies beside the database, mode 0600, and in no backup."""


class Stolen:
    """A gateway that has served, and what lies on its disk."""

    def __init__(self, gateway: Gateway, upstream: Upstream, folder: Path) -> None:
        self.gateway = gateway
        desk = Desk(gateway)
        self.keys = [desk.made(f"k{number}")["key"] for number in range(rounds(8, 100))]
        assert [desk.status(key) for key in self.keys] == [200] * len(self.keys)
        proxied = provider(upstream.url, proxy="http://u:proxy-pass-word@127.0.0.1:9")
        made(desk, "/api/providers", "p", proxied, allow_private=True)
        body = {"name": "ann", "role": "admin", "password": PASSWORD}
        assert desk.ask("POST", "/api/operators", body).status == 201
        login = ask(gateway.port, request("POST", "/api/login", _json(name="ann", password=PASSWORD), ""))
        cookie = (login.header("set-cookie") or "").partition(";")[0]
        fields = [("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")]
        token = ask(gateway.port, request("POST", "/api/tokens", _json(name="t"), "", fields=fields))
        self.secrets = {
            **{f"virtual key {number}": key for number, key in enumerate(self.keys)},
            "provider key": CANARY,
            "proxy password": "proxy-pass-word",
            "password": PASSWORD,
            "session": cookie.partition("=")[2],
            "API token": json.loads(token.body)["token"],
            "key of the file": KEY,
        }
        wait_for((Path(gateway.data_dir) / "snapshot.sealed").exists, "the sealed copy")
        self.backup = folder / "backup.db"
        save(sqlite_url(gateway.paths.control_db), str(self.backup))
        found = files_in(gateway.data_dir) | files_in(folder)
        self.files = {path: content for path, content in found.items() if path.name not in KEYS_THEMSELVES}

    def candidates(self) -> Iterator[str]:
        """Everything in the database that could be a credential, in every spelling."""
        with closing(sqlite3.connect(f"file:{self.backup}?mode=ro", uri=True)) as reader:
            for table in ("entities", "credentials", "audit", "meta", "names"):
                for row in reader.execute("SELECT * FROM %s".__mod__(table)):
                    for value in row:
                        yield from _spellings(value)


def _json(**members: object) -> bytes:
    return json.dumps(members).encode()


def _spellings(value: object) -> Iterator[str]:
    if isinstance(value, bytes) and len(value) >= 16 and not value.isascii():
        yield value.hex()
        yield b64encode(value).decode()
        yield urlsafe_b64encode(value).decode().rstrip("=")
        yield b32encode(value).decode().lower().rstrip("=")
        yield f"sk-mg-{b32encode(value[:16]).decode().lower().rstrip('=')}"
        yield f"sha256:{value.hex()}"
    elif isinstance(value, (str, bytes)):
        text = value if isinstance(value, str) else value.decode("latin-1")
        yield from re.findall(r"[A-Za-z0-9_.:/+=$,-]{16,512}", text)


@pytest.fixture(scope="module")
def stolen(upstream_for_module: Upstream, start_for_module: Start, tmp_path_factory: pytest.TempPathFactory) -> Stolen:
    gateway = start_for_module(configuration(upstream_for_module.url))
    return Stolen(gateway, upstream_for_module, tmp_path_factory.mktemp("stolen"))


def test_no_secret_lies_in_any_file(stolen: Stolen) -> None:
    names = {path.name for path in stolen.files}
    assert {"control.db", "control.db-wal", "backup.db", "snapshot.sealed"} <= names
    found = [
        (name, str(path))
        for name, secret in stolen.secrets.items()
        for path, content in stolen.files.items()
        for text in (secret.encode().removeprefix(b"sk-mg-"),)
        for at in range(len(text) - RUN + 1)
        if text[at : at + RUN] in content
    ]
    measured("files, secrets looked for", f"{len(stolen.files)}, {len(stolen.secrets)}", "no 8 bytes of any in any")
    measured("found", len(found), "0")
    assert found == []
    # And not what would make the stored digests into an oracle.
    keys = load_or_create_keys(stolen.gateway.paths.key_file)
    for text in (keys.pepper, keys.sealing, keys.pepper.hex().encode(), keys.sealing.hex().encode()):
        assert [str(path) for path, content in stolen.files.items() if text in content] == []


def test_keys_are_random_and_have_a_form(stolen: Stolen) -> None:
    assert all(is_own(key.encode()) for key in stolen.keys)
    # 26 characters of 5 bits each are the 128 random bits and the beginning of the checksum.
    random = {key.removeprefix("sk-mg-")[:26] for key in stolen.keys}
    assert len(random) == len(stolen.keys)
    assert {len(key) for key in stolen.keys} == {len("sk-mg-") + 32}


def test_nothing_that_is_stored_is_a_credential(stolen: Stolen) -> None:
    """Neither as a virtual key nor as an operator's token or session: digests least of all."""
    port, presented, opened = stolen.gateway.port, 0, []
    for text in sorted(set(stolen.candidates())):
        presented += 1
        statuses = [
            ask(port, request(key=text)).status,
            ask(port, request("GET", "/api/me", None, text)).status,
            ask(port, request("GET", "/api/me", None, "", fields=[("Cookie", f"microgate_session={text}")])).status,
        ]
        if statuses != [401] * 3:
            opened.append((text, statuses))
    measured("texts of the database presented, as key, token and session", presented, "401 for each")
    measured("accepted", len(opened), "0")
    assert presented > 40
    assert opened == []

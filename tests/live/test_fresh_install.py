"""What a fresh install lets in: nobody from elsewhere, nobody without a secret that was made for it and shown once."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.operators import setup_secret
from gateway.snapshot.store import load_or_create_keys
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.rounds import measured
from tests.live.wire import Answer, ask, request
from tests.waiting import wait_for

USUAL = (
    "admin", "password", "changeme", "default", "secret", "test", "demo", "sk-1234", "sk-demo", "sk-test",
    "sk-microgate", "microgate", "mga-" + "0" * 48, "mgt-" + "a" * 40, "mg-setup-" + "0" * 32, "sk-mg-" + "a" * 32,
    "null", "undefined",
)  # fmt: skip
"""Credentials that other gateways came with, and ours with nothing in them."""

_LISTEN = "0A"


@pytest.fixture(scope="module")
def fresh(start_for_module: Start) -> Gateway:
    """``microgate serve`` with a port and nothing else."""
    return start_for_module(None)


def listening(gateway: Gateway) -> Iterator[str]:
    """Local addresses of all TCP sockets on which its processes listen, as the kernel writes them."""
    inodes = set()
    for pid in (gateway.pid, *gateway.children()):
        # A file may be closed meanwhile, and a process that control has asked something may end; who listens stays.
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    if found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}")):
                        inodes.add(found[1])
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{gateway.pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            columns = line.split()
            if columns[3] == _LISTEN and columns[9] in inodes:
                yield columns[1]


def test_it_listens_on_this_machine_alone(fresh: Gateway) -> None:
    fresh.wait_for_control()
    found = list(listening(fresh))
    measured("listens on", f"{len(found)} address of 127.0.0.1", "127.0.0.1")
    assert found == [f"0100007F:{fresh.port:04X}"]


def test_no_key_is_there_to_begin_with(fresh: Gateway) -> None:
    paths = ("/v1/models", "/v1/usage", "/api/me", "/api/config", "/api/operators", "/api/schema/x")
    asked = [
        *(request("GET", path, None, key) for path in paths for key in ("", *USUAL)),
        *(request(key=key) for key in ("", *USUAL)),
        *(request("GET", "/api/me", None, "", fields=[("Cookie", f"microgate_session={key}")]) for key in USUAL),
    ]
    opened = [raw for raw in asked if ask(fresh.port, raw).status != 401]
    measured("usual keys, tokens and sessions that open anything", f"{len(opened)} of {len(USUAL) + 1}", "0")
    assert opened == []


def test_what_anybody_may_see_holds_no_secret(fresh: Gateway) -> None:
    fresh.wait_for_control()
    data_dir = str(fresh.data_dir)
    token = (fresh.data_dir / "admin.token").read_text().strip()
    keys = load_or_create_keys(fresh.paths.key_file)
    secrets = [token.removeprefix("mga-"), setup_secret.pending(data_dir).removeprefix("mg-setup-")]
    secrets += [keys.pepper.hex(), keys.sealing.hex()]
    wait_for(lambda: fresh.get("/api/operators", token).status == 200, "the database")
    public = [fresh.get(path) for path in ("/livez", "/readyz", "/", "/anthropic", "/metrics")]
    said = [fresh.get(path, token) for path in ("/api/config", "/api/health", "/api/secrets", "/api/audit")]
    assert [answer.status for answer in public] == [200] * 5
    text = "".join(answer.body.decode() + str(answer.fields) for answer in (*public, *said))
    found = [secret[at : at + 8] in text for secret in secrets for at in range(len(secret) - 7)]
    measured("secrets of the instance in health, metrics and admin pages", sum(found), "0")
    assert not any(found)
    # Nor do they say where it lies, or let other pages read them.
    open_to_all = "".join(answer.body.decode() for answer in public)
    assert data_dir not in open_to_all
    assert all(answer.header("access-control-allow-origin") is None for answer in (*public, *said))


def test_the_first_secret_is_random_and_shown_until_it_is_redeemed(start_gateway: Start, fresh: Gateway) -> None:
    other = start_gateway(None)
    secrets = [setup_secret.pending(str(gateway.data_dir)) for gateway in (fresh, other)]
    assert len(set(secrets)) == 2
    assert all(re.fullmatch(r"mg-setup-[0-9a-f]{32}", secret) for secret in secrets)
    # Workers answer before the supervisor has told what there is to tell.
    wait_for(lambda: secrets[1] in other.stderr(), "the secret")
    assert other.stderr().count(secrets[1]) == 1

    def set_up() -> Answer:
        body = {"secret": secrets[1], "name": "first", "password": "correct horse battery"}
        return ask(other.port, request("POST", "/api/setup", json.dumps(body).encode(), ""))

    def judged() -> int:
        """Its status, once control has its database and this address is let through: it asks often meanwhile."""
        answers: list[Answer] = []
        wait_for(lambda: answers.append(set_up()) or answers[-1].status not in (429, 502, 503), "an answer")
        return answers[-1].status

    assert judged() == 201
    assert judged() == 403
    other.stop()
    other.start()
    measured("times the first secret was shown, over two starts", other.stderr().count("mg-setup-"), "once")
    assert other.stderr().count("mg-setup-") == 1

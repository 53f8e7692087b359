"""How long a session lasts, and what ends it, by a clock that is set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.operators.accounts import IDLE_S, LIFE_S, NOTE_USE_S, Accounts
from gateway.stores import sql_config
from gateway.stores.entities import Entity
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.urls import open_database, sqlite_url
from tests.live.instance import control_database
from tests.live.rounds import measured

PEPPER = b"p" * 32


class World:
    """Two control processes over one database, an operator, and a clock."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.now_us = time.time_ns() // 1000
        patch.setattr(sql_config, "_now_us", lambda: self.now_us)
        file = folder / "control.db"
        file.write_bytes(control_database())
        self.databases = [open_database(sqlite_url(str(file))) for _ in range(2)]
        self.accounts = [
            Accounts(SqlConfigStore(each), PEPPER, "mga-token", str(folder), lambda: self.now_us)
            for each in self.databases
        ]
        self.first, self.second = self.accounts
        # What a password looks like is tests/operators/test_passwords.py's.
        self.operator: Entity = asyncio.run(self.first.create("ann", "admin", "stored", "test"))

    def session(self) -> str:
        return asyncio.run(self.first._begin(self.operator))

    def alive(self, session: str) -> list[bool]:
        """At each process."""
        return [asyncio.run(each.of_session(session)) is not None for each in self.accounts]

    def later(self, seconds: float) -> None:
        self.now_us += int(seconds * 1e6)

    def close(self) -> None:
        for each in self.accounts:
            each.close()
        for database in self.databases:
            database.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.close()


def test_a_session_ends_after_half_an_hour_without_a_request(world: World) -> None:
    session = world.session()
    world.later(IDLE_S - 1)
    assert world.alive(session) == [True, True]
    world.later(IDLE_S)
    assert world.alive(session) == [False, False]
    idle = world.session()
    world.later(NOTE_USE_S)
    # A use so soon is not noted: the session ends up to that much sooner.
    assert world.alive(idle) == [True, True]
    world.later(IDLE_S - NOTE_USE_S)
    assert world.alive(idle) == [False, False]
    measured("a session without requests ends after, min", IDLE_S / 60, "30")


def test_a_session_ends_after_twelve_hours_however_it_is_used(world: World) -> None:
    session = world.session()
    for _ in range(LIFE_S // 600 - 1):
        world.later(600)
        assert world.alive(session) == [True, True]
    world.later(599)
    assert world.alive(session) == [True, True]
    world.later(1)
    assert world.alive(session) == [False, False]
    measured("a session in use ends after, h", LIFE_S / 3600, "12")


def test_to_be_asked_whether_it_lasts_keeps_no_session_alive(world: World) -> None:
    session = world.session()
    for _ in range(IDLE_S // 600 - 1):
        world.later(600)
        assert asyncio.run(world.first.of_session(session, in_use=False)) is not None
    world.later(600)
    assert asyncio.run(world.first.of_session(session, in_use=False)) is None


@pytest.mark.parametrize("what", ["logout", "password", "role", "switched off", "removed"])
def test_it_ends_in_every_process_at_once(world: World, what: str) -> None:
    session, other = world.session(), world.session()
    entity, account = world.second.get(world.operator.id)
    match what:
        case "logout":
            caller = asyncio.run(world.second.of_session(session))
            assert caller is not None
            asyncio.run(world.second.end(caller))
        case "password":
            asyncio.run(world.second.put(entity, account, "test", password="other"))
        case "role":
            asyncio.run(world.second.put(entity, account, "test", role="viewer"))
        case "switched off":
            asyncio.run(world.second.put(entity, account, "test", enabled=False))
        case "removed":
            asyncio.run(world.second.delete(entity, account, "test"))
    assert world.alive(session) == [False, False]
    assert world.alive(other) == [what == "logout"] * 2

"""What a worker remembers of credentials, of right ones and of wrong ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import REFUSALS_KEPT, Core
from gateway.serving import View
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import ENABLED, KeyRow, KeyTable
from gateway.snapshot.model import Snapshot
from tests.live.rounds import measured, rounds

PEPPER = b"p" * 32


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    row = KeyRow(digest=key_digest(PEPPER, b"sk-right"), id_hash=7, flags=ENABLED)
    table = KeyTable.build(str(tmp_path / "keys"), [row])
    loop = asyncio.new_event_loop()
    snapshot = Snapshot(version=1, created_ns=0, providers={}, routes={}, virtual_keys=1, pepper=PEPPER)
    made = Core(loop, View(snapshot, {}), None, None, None)
    made.adopt(View(snapshot, {}), table)
    yield made
    made.adopt(View(snapshot, {}), None)
    table.close()
    loop.close()


def test_a_right_key_is_looked_up_once(core: Core) -> None:
    found = core.principal_of(b"sk-right")
    assert found is not None
    assert found.id_hash == 7
    assert core.principal_of(b"sk-right") is found


def test_wrong_keys_that_are_remembered_are_bounded(core: Core) -> None:
    for number in range(3 * REFUSALS_KEPT):
        assert core.principal_of(b"sk-wrong-%d" % number) is None
        assert len(core.refused) <= REFUSALS_KEPT
    assert core.principal_of(b"sk-right") is not None


def test_a_wrong_key_is_not_looked_up_again(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []
    find = KeyTable.find
    monkeypatch.setattr(KeyTable, "find", lambda table, digest: looked.append(digest) or find(table, digest))
    for _ in range(3):
        assert core.principal_of(b"sk-wrong") is None
    assert len(looked) == 1
    # A part of a key is another key.
    assert core.principal_of(b"sk-wron") is None
    assert len(looked) == 2


def test_keys_that_share_long_prefixes_are_told_apart(tmp_path: Path) -> None:
    """What is remembered of a credential is remembered of all of it, of right ones and of wrong ones."""
    count = rounds(200, 20_000)
    common = b"sk-" + b"x" * 4000
    keys = [common + b"%08d" % number for number in range(count)]
    rows = [KeyRow(digest=key_digest(PEPPER, key), id_hash=number + 1) for number, key in enumerate(keys)]
    table = KeyTable.build(str(tmp_path / "many"), rows)
    loop = asyncio.new_event_loop()
    view = View(Snapshot(version=1, created_ns=0, providers={}, routes={}, virtual_keys=count, pepper=PEPPER), {})
    core = Core(loop, view, None, None, None)
    core.adopt(view, table)
    asked = crossed = 0
    dice = random.Random(3)
    for _ in range(2):
        for number in dice.sample(range(count), count):
            key = keys[number]
            found = core.principal_of(key)
            wrong = (key[:-1], key + b"0", key[:-8] + b"9" + key[-7:], common, b"y" + key[1:])
            crossed += found is None or found.id_hash != number + 1
            crossed += sum(core.principal_of(other) is not None for other in wrong)
            asked += 1 + len(wrong)
    measured("credentials asked for that share 4,000 characters", asked, "each told apart")
    measured("taken for another", crossed, "0")
    core.adopt(view, None)
    table.close()
    loop.close()
    assert crossed == 0

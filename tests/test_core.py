"""What a worker remembers of credentials, of right ones and of wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import REFUSALS_KEPT, Core
from gateway.serving import View
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import ENABLED, KeyRow, KeyTable
from gateway.snapshot.model import Snapshot

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

"""The sealed copy: the same plan comes out, or an error."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from gateway.config.loader import loads
from gateway.snapshot.plan import Plan, plan
from gateway.snapshot.sealing import seal, unseal
from gateway.snapshot.store import SEALED_HEADER, StoreError, sealed_head

KEY = b"k" * 32
CANARY = "sk-canary-0123456789"


def made() -> Plan:
    text = (
        f"providers: {{p: {{base_url: 'http://h/', keys: [{{name: k, value: {CANARY}}}]}}}}\n"
        f"virtual_keys: [{{name: a, value: {CANARY}v, limits: [{{requests: 3, per: 1m}}]}}]"
    )
    return plan(loads(text, "f.yaml", {}).config, b"p" * 32)


def test_there_and_back(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    seal(path, KEY, made(), 7)
    assert unseal(path, KEY) == (made(), 7)
    assert sealed_head(path) == (0, 7)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert b"canary" not in (tmp_path / "s").read_bytes()


def test_what_came_from_the_database_is_counted_outside(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    whole = made()
    provider = msgspec.structs.replace(whole.providers["p"], id="0190a1b2-0000-7000-8000-000000000000")
    seal(path, KEY, msgspec.structs.replace(whole, providers={"p": provider}), 8)
    assert sealed_head(path) == (1, 8)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    seal(str(path), KEY, made(), 7)
    whole = path.read_bytes()
    for at in [*range(SEALED_HEADER.size + 2), len(whole) // 2, len(whole) - 1]:
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(StoreError):
            unseal(str(path), KEY)
    path.write_bytes(whole[:-1])
    with pytest.raises(StoreError, match="was changed or was sealed with another key file"):
        unseal(str(path), KEY)


def test_another_key_and_no_file(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with pytest.raises(StoreError, match="there is no sealed configuration"):
        unseal(path, KEY)
    assert sealed_head(path) == (0, 0)
    seal(path, KEY, made(), 7)
    with pytest.raises(StoreError, match="another key file"):
        unseal(path, b"o" * 32)
    (tmp_path / "s").write_bytes(b"short")
    assert sealed_head(path) == (0, 0)
    with pytest.raises(StoreError, match="is not a sealed configuration"):
        unseal(path, KEY)
    with pytest.raises(StoreError, match="cannot read the sealed configuration"):
        unseal(str(tmp_path), KEY)


def test_two_copies_differ(tmp_path: Path) -> None:
    seal(str(tmp_path / "a"), KEY, made(), 7)
    seal(str(tmp_path / "b"), KEY, made(), 7)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()

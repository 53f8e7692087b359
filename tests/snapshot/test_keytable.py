"""The shared table of virtual keys: found, changed, revoked, and never half-read."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from gateway.snapshot.digest import imported_digest, key_digest
from gateway.snapshot.keytable import (
    ENABLED,
    MAX_LIMITS,
    REVOKED,
    STATEFUL,
    KeyRow,
    KeyTable,
    TableFull,
    rows_checksum,
)

PEPPER = bytes(range(32))


def digest(n: int) -> bytes:
    return key_digest(PEPPER, b"sk-%d" % n)


def rows(count: int) -> list[KeyRow]:
    return [KeyRow(digest(n), n + 1, limits=(n, n + 1), ruleset=n % 3) for n in range(count)]


def test_every_key_is_found_and_no_other(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(5000))
    reader = KeyTable.open(table.path)
    assert len(reader) == 5000
    for n in range(5000):
        i = reader.find(digest(n))
        assert reader.row(i) == KeyRow(digest(n), n + 1, limits=(n, n + 1), ruleset=n % 3, seq=2)
    assert all(reader.find(digest(n)) == -1 for n in range(5000, 6000))
    reader.close()
    table.close()


def test_same_bucket_and_same_tag_still_tell_keys_apart(tmp_path: Path) -> None:
    alike = [KeyRow(bytes(12) + bytes([n]) * 20, n + 1) for n in range(40)]
    with_table = KeyTable.build(str(tmp_path / "t"), alike)
    assert [with_table.row(with_table.find(r.digest)).id_hash for r in alike] == list(range(1, 41))
    assert with_table.find(bytes(12) + b"x" * 20) == -1
    with_table.close()


def test_the_stored_digest_is_no_key(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(3))
    assert table.find(key_digest(PEPPER, digest(1))) == -1
    assert table.find(key_digest(PEPPER, digest(1).hex().encode())) == -1
    table.close()


def test_long_shared_prefixes_do_not_meet() -> None:
    prefix = b"sk-" + b"a" * 300
    assert key_digest(PEPPER, prefix + b"1") != key_digest(PEPPER, prefix + b"2")
    assert key_digest(PEPPER, prefix) != key_digest(bytes(32), prefix)


def test_an_imported_hash_gives_the_same_digest() -> None:
    assert imported_digest(PEPPER, hashlib.sha256(b"sk-old").digest()) == key_digest(PEPPER, b"sk-old")
    with pytest.raises(ValueError, match="32 bytes"):
        imported_digest(PEPPER, b"short")


def test_revocation_is_one_store_seen_by_every_reader(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(10))
    reader = KeyTable.open(table.path)
    i = reader.find(digest(4))
    before = reader.row(i)
    assert before.enabled
    assert reader.seq(i) == before.seq
    table.revoke(i)
    assert reader.seq(i) != before.seq
    assert reader.seq(i) & REVOKED
    after = reader.row(i)
    assert not after.enabled
    assert after.id_hash == before.id_hash
    table.update(i, before)
    assert reader.row(i).enabled
    assert reader.seq(i) not in (before.seq, after.seq)
    reader.close()
    table.close()


def test_change_in_place(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(10))
    reader = KeyTable.open(table.path)
    i = reader.find(digest(2))
    limits = tuple(range(MAX_LIMITS))
    table.update(i, KeyRow(digest(2), 77, ENABLED | STATEFUL, 9, limits, stateful=2**63 + 5, expires_s=1_900_000_000))
    got = reader.row(i)
    assert (got.id_hash, got.flags, got.ruleset, got.limits) == (77, ENABLED | STATEFUL, 9, limits)
    assert (got.stateful, got.expires_s) == (2**63 + 5, 1_900_000_000)
    with pytest.raises(ValueError, match="keeps the digest"):
        table.update(i, KeyRow(digest(3), 77))
    reader.close()
    table.close()


def test_new_keys_in_place_until_there_is_no_room(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(4), spare=2)
    reader = KeyTable.open(table.path)
    for n in range(4, 7):
        assert table.insert(KeyRow(digest(n), n + 1)) == n
        assert reader.row(reader.find(digest(n))).id_hash == n + 1
    assert table.insert(KeyRow(digest(5), 500)) == 5
    assert reader.row(5).id_hash == 500
    with pytest.raises(TableFull):
        table.insert(KeyRow(digest(8), 9))
    reader.close()
    table.close()


def test_a_row_whose_writer_died_is_closed(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(3))
    i = table.find(digest(1))
    table._words[table.seq_at(i)] |= 1
    assert not table.row(i).enabled
    table.update(i, KeyRow(digest(1), 2))
    assert table.row(i).enabled
    table.close()


def test_twice_the_same_value_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same value"):
        KeyTable.build(str(tmp_path / "t"), [*rows(3), KeyRow(digest(1), 99)])
    assert list(tmp_path.iterdir()) == []


def test_checksum_says_whether_a_table_can_be_kept(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), rows(5))
    assert table.checksum == rows_checksum(rows(5)) != rows_checksum(rows(6))
    table.revoke(0)
    assert table.checksum == bytes(16)
    table.close()


def test_file_mode_and_read_only_mapping(tmp_path: Path) -> None:
    KeyTable.build(str(tmp_path / "t"), rows(5)).close()
    assert stat.S_IMODE(os.stat(tmp_path / "t").st_mode) == 0o600
    reader = KeyTable.open(str(tmp_path / "t"))
    for change in (lambda: reader.revoke(0), lambda: reader.insert(KeyRow(digest(9), 1))):
        with pytest.raises(PermissionError):
            change()
    assert reader.row(0).enabled
    reader.close()


@pytest.mark.parametrize("content", [b"x", b"MGVKEYS2" + bytes(100), b"MGVKEYS1" + bytes(56), bytes(4096)])
def test_not_a_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(ValueError, match="virtual-key table"):
        KeyTable.open(str(tmp_path / "t"))


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    KeyTable.build(str(tmp_path / "t"), rows(50)).close()
    whole = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut short"):
        KeyTable.open(str(tmp_path / "t"))


def test_an_empty_table(tmp_path: Path) -> None:
    table = KeyTable.build(str(tmp_path / "t"), [])
    assert len(table) == 0
    assert table.find(digest(1)) == -1
    with pytest.raises(IndexError):
        table.row(0)
    table.close()


def test_bad_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyTable.build(str(tmp_path / "t"), [KeyRow(b"short", 1)])
    with pytest.raises(ValueError, match="at most 32 limits"):
        KeyTable.build(str(tmp_path / "t"), [KeyRow(digest(1), 1, limits=tuple(range(33)))])

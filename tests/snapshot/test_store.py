"""Files that are written whole or not at all, and read by nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from gateway.processes.paths import Paths
from gateway.snapshot import store
from gateway.snapshot.model import PromptCacheAffinity, Provider, Snapshot
from gateway.snapshot.store import StoreError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(str(tmp_path))
    made.runtime_dir = str(tmp_path)
    made.current = str(tmp_path / "current")
    return made


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def snapshot(version: int, table: str = "") -> Snapshot:
    return Snapshot(version=version, created_ns=0, providers={}, routes={}, table=table)


def with_affinity(snapshot: Snapshot, table: str) -> Snapshot:
    provider = Provider(
        id="p", name="p", vendor="custom", base_url="http://h", dialects={}, paths={},
        prompt_cache_affinity=PromptCacheAffinity(table=table),
    )  # fmt: skip
    return msgspec.structs.replace(snapshot, providers={"p": provider})


def test_publishing(paths: Paths) -> None:
    assert store.current(paths) is None
    path = store.publish(paths, snapshot(1))
    assert mode(path) == 0o600
    store.publish(paths, snapshot(2))
    assert store.current(paths) == snapshot(2)
    assert store.read(path) == snapshot(1)


def test_what_is_not_needed_is_removed(paths: Paths, tmp_path: Path) -> None:
    for version in range(1, 5):
        store.publish(paths, snapshot(version, f"vkeys-{version - version % 2}.tbl"))
        (tmp_path / f"vkeys-{version}.tbl").touch()
    (tmp_path / "arena").touch()
    (tmp_path / "affinity-00ff-11.tbl").touch()
    (tmp_path / "affinity-00ff-22.tbl").touch()
    store.remove_old(
        paths, (snapshot(3, "vkeys-2.tbl"), with_affinity(snapshot(4, "vkeys-4.tbl"), "affinity-00ff-22.tbl"))
    )
    kept = {"arena", "affinity-00ff-22.tbl", "current", "snapshot-3.mp", "snapshot-4.mp", "vkeys-2.tbl", "vkeys-4.tbl"}
    assert {p.name for p in tmp_path.iterdir()} == kept


def test_a_broken_snapshot(paths: Paths, tmp_path: Path) -> None:
    store.publish(paths, snapshot(1))
    (tmp_path / "snapshot-1.mp").write_bytes(b"\x00")
    assert store.current(paths) is None
    with pytest.raises(StoreError, match=r"cannot read the snapshot .*snapshot-1\.mp"):
        store.read(str(tmp_path / "snapshot-1.mp"))
    with pytest.raises(StoreError, match="No such file"):
        store.read(str(tmp_path / "none"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "f")
    store.write_private(path, b"old", durable=True)

    def fail(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        store.write_private(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_keys_are_made_once(tmp_path: Path) -> None:
    path = str(tmp_path / "microgate.key")
    keys = store.load_or_create_keys(path)
    assert mode(path) == 0o600
    assert store.load_or_create_keys(path) == keys
    assert (len(keys.pepper), len(keys.sealing)) == (32, 32)
    assert keys.pepper != keys.sealing
    assert keys.pepper.hex() not in repr(keys)
    assert [p.name for p in tmp_path.iterdir()] == ["microgate.key"]


def test_two_first_starts_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "microgate.key")
    other = store.Keys(b"a" * 32, b"b" * 32)
    link = os.link

    def late(source: str, target: str) -> None:
        (tmp_path / "microgate.key").write_text(f"microgate-key 1\npepper {other.pepper.hex()}\nsealing {'62' * 32}\n")
        os.chmod(path, 0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert store.load_or_create_keys(path) == other
    assert [p.name for p in tmp_path.iterdir()] == ["microgate.key"]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "k")
    store.load_or_create_keys(path)
    os.chmod(path, 0o640)
    with pytest.raises(StoreError, match=r"can be read by other users \(mode 0640\); run: chmod 600"):
        store.load_or_create_keys(path)


def test_a_damaged_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "k")
    store.write_private(path, b"rubbish")
    with pytest.raises(StoreError, match="is not a key file; restore it from a backup"):
        store.load_or_create_keys(path)
    assert (tmp_path / "k").read_bytes() == b"rubbish"


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write the key file"):
        store.load_or_create_keys(str(tmp_path / "none" / "k"))
    with pytest.raises(StoreError, match="cannot read the key file"):
        store.load_or_create_keys(str(tmp_path))

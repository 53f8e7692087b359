"""Where master keys come from, and what happens without them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gateway.config.references import Secret
from gateway.secrets import master_key
from gateway.secrets.master_key import FILE_NAME, VARIABLE, KeyRing, MasterKey, MasterKeyError, load

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
IDS = {text: MasterKey(bytes.fromhex(text)).id for text in (A, B, C)}


def ids(ring: KeyRing | None) -> list[str]:
    assert ring is not None
    return list(ring.ids)


def test_the_first_of_several_encrypts(tmp_path: Path) -> None:
    ring = load(str(tmp_path), environ={VARIABLE: f"{A}, {B}"}, create=False)
    assert ids(ring) == [IDS[A], IDS[B]]
    assert ring is not None
    assert ring.current.id == IDS[A]


def test_what_stands_first_counts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"print('{B}')"]
    environ = {VARIABLE: C}
    assert ids(load(str(tmp_path), [Secret(A)], command, environ, create=True)) == [IDS[A]]
    assert ids(load(str(tmp_path), [], command, environ, create=True)) == [IDS[B]]
    assert ids(load(str(tmp_path), [], [], environ, create=True)) == [IDS[C]]
    assert os.listdir(tmp_path) == []


def test_a_file_is_made_at_the_first_need_and_kept_private(tmp_path: Path) -> None:
    assert load(str(tmp_path), environ={}, create=False) is None
    made = ids(load(str(tmp_path), environ={}, create=True))
    assert (
        made == ids(load(str(tmp_path), environ={}, create=True)) == ids(load(str(tmp_path), environ={}, create=False))
    )
    path = tmp_path / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(MasterKeyError, match=r"can be read by other users \(mode 0640\); run: chmod 600"):
        load(str(tmp_path), environ={}, create=True)


def test_a_damaged_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    for content in ("", "microgate-master-keys 1\n", f"{A}\n", f"microgate-master-keys 1\n{A[1:]}\n"):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(MasterKeyError):
            load(str(tmp_path), environ={}, create=True)
        assert path.read_text() == content


def test_a_missing_key_that_is_in_use_is_named(tmp_path: Path) -> None:
    master_key.note_used(str(tmp_path), [IDS[A]])
    # Above all no new one is made in its place.
    with pytest.raises(MasterKeyError, match=f"with the master key {IDS[A]}, and there is no master.key: give that"):
        load(str(tmp_path), environ={}, create=True)
    with pytest.raises(MasterKeyError, match=f"with the master key {IDS[A]}, and {VARIABLE} has {IDS[B]}"):
        load(str(tmp_path), environ={VARIABLE: B}, create=True)
    assert ids(load(str(tmp_path), environ={VARIABLE: f"{B},{A}"}, create=True)) == [IDS[B], IDS[A]]
    assert os.listdir(tmp_path) == ["master.used"]


@pytest.mark.parametrize("text", ["x", A[1:], A + "0", f"{A} {B}", A[:-1] + "g"])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyError, match="expected 64 hexadecimal digits") as caught:
        load(str(tmp_path), environ={VARIABLE: text}, create=True)
    assert text not in str(caught.value) or len(text) == 1
    assert A[:8] not in str(caught.value)


def test_commands_that_fail_are_told_without_what_they_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(script: str) -> str:
        with pytest.raises(MasterKeyError) as caught:
            load(str(tmp_path), [], [sys.executable, "-c", script], {}, create=True)
        return str(caught.value)

    assert said(f"print('{A}'); raise SystemExit(3)") == "secrets.master_key_command ended with status 3"
    assert "holds no master key" in said(f"print('{A}!')")
    assert "there is no master key" in said("pass")
    monkeypatch.setattr(master_key, "COMMAND_S", 0.2)
    assert "was not done" in said("import time; time.sleep(60)")
    with pytest.raises(MasterKeyError, match="cannot be run: No such file"):
        load(str(tmp_path), [], ["/nonexistent/command"], {}, create=True)


def test_keys_are_shown_by_nothing() -> None:
    key = MasterKey(bytes.fromhex(A))
    ring = KeyRing([key], "a test")
    for text in (repr(key), str(key), f"{key}", repr(ring), repr([key])):
        assert A[:8] not in text
        assert repr(key.value) not in text


def test_the_file_takes_a_new_key_and_lets_old_ones_go(tmp_path: Path) -> None:
    first = load(str(tmp_path), environ={}, create=True)
    assert first is not None
    second = master_key.add_to_file(str(tmp_path), first)
    third = master_key.add_to_file(str(tmp_path), second)
    assert third.ids[1:] == second.ids
    assert second.ids[1:] == first.ids
    kept = master_key.keep_in_file(str(tmp_path), third, first.ids)
    assert kept.ids == (third.current.id, first.current.id)
    assert ids(load(str(tmp_path), environ={}, create=False)) == list(kept.ids)

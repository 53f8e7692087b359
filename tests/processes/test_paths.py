"""Places on disk: private, derived from the data directory, refused when they are not ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.processes import paths as module
from gateway.processes.paths import DirectoryError, Paths, default_data_dir


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path / "state"))
    yield made
    shutil.rmtree(made.runtime_dir, ignore_errors=True)


def test_directories_are_private(paths: Paths) -> None:
    old = os.umask(0)
    try:
        paths.create()
    finally:
        os.umask(old)
    for path in (paths.data_dir, paths.runtime_dir, paths.spool_dir, paths.log_dir):
        assert os.stat(path).st_mode & 0o777 == 0o700
    paths.create()  # a second time finds all of it


def test_a_link_and_its_target_are_one_instance(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Paths(str(tmp_path / "link")).runtime_dir == Paths(str(tmp_path / "real")).runtime_dir
    assert Paths(str(tmp_path / "other")).runtime_dir != Paths(str(tmp_path / "real")).runtime_dir


def test_without_shared_memory_the_data_directory_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED_MEMORY", str(tmp_path / "absent"))
    assert Paths(str(tmp_path)).runtime_dir == str(tmp_path / "run")


def test_an_open_runtime_directory_is_refused(paths: Paths) -> None:
    old = os.umask(0)
    os.mkdir(paths.runtime_dir, 0o755)
    os.umask(old)
    with pytest.raises(DirectoryError, match="open to other users"):
        paths.create()


def test_a_link_in_place_of_the_runtime_directory_is_refused(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    os.symlink(tmp_path / "elsewhere", paths.runtime_dir)
    try:
        with pytest.raises(DirectoryError, match="not a directory"):
            paths.create()
    finally:
        os.unlink(paths.runtime_dir)


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match="file"):
        Paths(str(tmp_path / "file")).create()
    with pytest.raises(DirectoryError, match="cannot use"):
        Paths(str(tmp_path / "file" / "below")).create()


def test_sockets_fit_into_sun_path(tmp_path: Path) -> None:
    deep = Paths(str(tmp_path / ("d" * 120)))
    assert len(os.fsencode(deep.admin_socket)) < 104
    assert len(os.fsencode(deep.workers_socket)) < 104
    assert Paths("/var/lib/microgate").admin_socket == "/var/lib/microgate/admin.sock"


def test_current_snapshot(paths: Paths) -> None:
    paths.create()
    assert paths.current_snapshot() is None
    paths.point_at(3)
    assert paths.current_snapshot() == paths.snapshot(3)
    paths.point_at(4)
    assert paths.current_snapshot() == paths.snapshot(4)


def test_default_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert default_data_dir() == "/s/microgate"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert default_data_dir() == "/h/.local/state/microgate"

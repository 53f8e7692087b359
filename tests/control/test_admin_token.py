from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.admin_token import AdminTokenError, load, load_or_create, matches, path_in


def test_it_is_made_once_and_kept_private(tmp_path: Path) -> None:
    token = load_or_create(str(tmp_path))
    assert len(token) == 4 + 48
    assert load_or_create(str(tmp_path)) == load(str(tmp_path)) == token
    assert os.stat(path_in(str(tmp_path))).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["admin.token"]


def test_two_instances_have_two(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert load_or_create(str(tmp_path)) != load_or_create(str(tmp_path / "other"))


def test_a_file_open_to_others_or_without_a_token_is_refused(tmp_path: Path) -> None:
    path = Path(path_in(str(tmp_path)))
    path.write_text("short\n")
    path.chmod(0o600)
    with pytest.raises(AdminTokenError, match="no admin token"):
        load_or_create(str(tmp_path))
    path.chmod(0o644)
    with pytest.raises(AdminTokenError, match="chmod 600"):
        load_or_create(str(tmp_path))


def test_it_matches_itself_only() -> None:
    assert matches("mga-1", "mga-1")
    assert not matches("mga-1", "mga-2")
    assert not matches("mga-1", "mga-1\u00e9")
    assert not matches("", "")

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stores import urls
from gateway.stores.protocols import LogQuery
from gateway.stores.urls import UnknownStore, open_database, open_log, open_store, path_of, sqlite_url


def test_the_scheme_names_the_implementation(tmp_path: Path) -> None:
    store = open_log(f"sqlite:///{tmp_path}/log")
    try:
        assert store.page(LogQuery()).rows == []
        assert (tmp_path / "log").is_dir()
    finally:
        store.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "", "/tmp/x"])
def test_an_unknown_scheme_is_named(url: str) -> None:
    with pytest.raises(UnknownStore, match=r"sqlite\)"):
        open_store("log", url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(UnknownStore) as caught:
        open_store("config", "mysql://user:hunter2@host/name")
    assert "hunter2" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "find_spec", lambda name: None)
    for scheme in ("postgresql", "postgres"):
        with pytest.raises(UnknownStore, match=r"pip install 'microgate\[postgres\]'"):
            open_database(f"{scheme}://host/name")


@pytest.mark.parametrize("path", ["/data/control.db", "relative/c.db", "/with %20 and #?/ü.db"])
def test_a_path_comes_back_from_its_url(path: str) -> None:
    assert path_of(sqlite_url(path)) == path

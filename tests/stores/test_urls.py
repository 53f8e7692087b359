from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stores.protocols import LogQuery
from gateway.stores.urls import UnknownStore, open_log, open_store


def test_the_scheme_names_the_implementation(tmp_path: Path) -> None:
    store = open_log(f"sqlite:///{tmp_path}/log")
    try:
        assert store.page(LogQuery()).rows == []
        assert (tmp_path / "log").is_dir()
    finally:
        store.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "", "/tmp/x", "sqlite"])
def test_an_unknown_scheme_is_named(url: str) -> None:
    with pytest.raises(UnknownStore, match=r"sqlite\)"):
        open_store("log", url)

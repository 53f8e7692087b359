from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.process import Control


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A control process with the configuration of ``process.CONFIG``, answering; no worker is connected."""
    control = Control(tmp_path)
    try:
        control.start()
        yield control
    finally:
        control.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """The same, shared by tests that change nothing but add records under ids of their own."""
    control = Control(tmp_path_factory.mktemp("running"))
    try:
        control.start()
        yield control
    finally:
        control.close()

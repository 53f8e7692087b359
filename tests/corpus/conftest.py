"""Recorded and hostile data that is not part of this repository: found beside it, or left out with one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("MICROGATE_CORPUS") or Path(__file__).resolve().parents[2].parent / "shared" / "data")

collect_ignore_glob = [] if ROOT.is_dir() else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ROOT.is_dir():
        terminalreporter.write_line(f"tests/corpus left out: no data at {ROOT} (MICROGATE_CORPUS names another place)")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder that holds exchanges/, http-torture/, json-torture/ and sse/."""
    return ROOT

"""What every test is held to: nothing that a test started outlives it unnoticed."""

import contextlib
import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.waiting import PATIENCE_S

pytest_plugins = ["tests.hnswlib", "tests.live.fixtures", "tests.postgres", "tests.redis"]

# How long an example takes is the machine's business, which is shared.
too_slow = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=too_slow)
hypothesis.settings.load_profile("untimed")


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's files take a minute each: first, so that no worker is alone with one of them at the end."""
    items.sort(key=lambda item: not item.path.is_relative_to(Path(__file__).parent / "ui"))


def pytest_collection_finish() -> None:
    """What was imported is no garbage and is not looked through again: full collections follow, one a module."""
    gc.collect()
    gc.freeze()
    gc.enable()


class _Complaints(logging.Handler):
    """asyncio reports lost tasks and exceptions nobody awaited through its logger only."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(autouse=True)
def no_lost_task() -> Iterator[None]:
    """Fails the test in which a task is destroyed while pending or an exception is never retrieved."""
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    yield
    # The young generations hold what this test made; a full collection a test would take longer than most tests.
    gc.collect(1)
    logger.removeHandler(complaints)
    assert not complaints.lines, "\n".join(complaints.lines)


def _children() -> dict[str, str]:
    """Command lines of this process's children; the tracker that multiprocessing keeps on purpose is left out."""
    gone = FileNotFoundError, ProcessLookupError
    """A thread or a child may end while it is looked at."""
    pids: list[str] = []
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(*gone):
            pids += listing.read_text().split()
    found = {}
    for pid in pids:
        with contextlib.suppress(*gone):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return {pid: words for pid, words in found.items() if "resource_tracker" not in words}


def _left(sockets: set[str]) -> list[str]:
    """What there is beside these sockets."""
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    found = {"child processes": _children(), "threads": threads, "sockets": _sockets() - sockets}
    return [f"{what} are left: {which}" for what, which in found.items() if which]


@pytest.fixture(autouse=True, scope="module")
def nothing_unclosed() -> Iterator[None]:
    """Fails the module that dropped something unclosed; it would be found in whichever test the collector next runs."""
    yield
    gc.collect()
    # Among it what the module's tests imported.
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def nothing_is_left() -> Iterator[None]:
    """Fails the run when it leaves a child process, a thread or sockets behind."""
    sockets = _sockets()
    yield
    gc.unfreeze()
    gc.collect()
    end = time.monotonic() + PATIENCE_S
    while _left(sockets) and time.monotonic() < end:
        # What the last test has told to end may be on its way.
        time.sleep(0.01)
    assert not _left(sockets), "\n".join(_left(sockets))


def _sockets() -> set[str]:
    links = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("socket:")}

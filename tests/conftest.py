"""What every test is held to: nothing that a test started outlives it unnoticed."""

import gc
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.hnswlib", "tests.live.fixtures", "tests.postgres", "tests.redis"]


def pytest_collection() -> None:
    gc.disable()


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
    found = {}
    for listing in Path("/proc/self/task").glob("*/children"):
        for pid in listing.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "resource_tracker" not in words:
                found[pid] = words
    return found


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
    assert not _children(), f"child processes are left: {_children()}"
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    assert not threads, f"threads are left: {threads}"
    assert _sockets() <= sockets, f"sockets are left: {_sockets() - sockets}"


def _sockets() -> set[str]:
    links = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("socket:")}

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.load import placement


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is everybody's")
def test_what_stands_for_other_machines_leaves_the_last_core_to_the_workers() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        placement.outside(child.pid)
        cores = os.sched_getaffinity(0)
        assert os.sched_getaffinity(child.pid) == cores - {max(cores)}
        assert (os.sched_getscheduler(child.pid) == os.SCHED_FIFO) == placement.permitted()
    finally:
        child.communicate(b"\n")
    assert f"workers to core {max(cores)}" in placement.method()


def test_asking_whether_priority_is_permitted_changes_nothing() -> None:
    before = os.sched_getscheduler(0)
    placement.permitted()
    assert os.sched_getscheduler(0) == before


def test_every_core_has_its_own_process_that_keeps_it_awake_and_none_is_left() -> None:
    before = children()
    with placement.awake():
        pids = children() - before
        assert [os.sched_getscheduler(pid) for pid in pids] == [os.SCHED_IDLE] * len(os.sched_getaffinity(0))
        assert set.union(*(os.sched_getaffinity(pid) for pid in pids)) == os.sched_getaffinity(0)
    assert children() <= before


def children() -> set[int]:
    threads = Path("/proc/self/task").iterdir()
    return {int(pid) for thread in threads for pid in (thread / "children").read_text().split()}

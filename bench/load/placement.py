"""Who runs where in open-loop cases: the caller and the provider are other machines in reality, here they must not be
kept waiting by the processes they measure, nor take their core away."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.load.subject import Subject

_URGENT = 1
"""The lowest real-time priority: above everything that is not real-time."""


NICE = -5
"""Of everything a run starts, where the system permits it: three times the weight of what else runs on the machine."""


def ahead() -> None:
    """This process and all it will start go before other work of the machine."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        autogroup(os.getpid())


def autogroup(pid: int) -> None:
    """Give a session its process's own nice value: where sessions are scheduled as groups, a process's counts only
    within its session."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, pid)))


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _pin(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread.name), cores)


def outside(pid: int, *, urgent: bool = True) -> None:
    """Caller or provider: every core but the last, and ahead of all others there where the system permits it.

    Real-time processes that never rest are stopped for 50 ms a second: wrk at the upstream itself is not ``urgent``."""
    cores = _cores()
    with contextlib.suppress(OSError):
        if len(cores) > 1:
            _pin(pid, set(cores[:-1]))
        if urgent:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(_URGENT))


def elsewhere() -> None:
    """This thread stands for a program on another machine: off the workers' core, and behind everybody else."""
    cores, thread = _cores(), threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, 19)
        if len(cores) > 1:
            os.sched_setaffinity(thread, set(cores[:-1]))


def subject(one: Subject) -> None:
    """The workers on the last core, the rest of the tree on the others."""
    cores = _cores()
    if len(cores) < 2:
        return
    seen = one.snapshot()
    for pid, role in one.roles(seen).items():
        _pin(pid, {cores[-1]} if role == "worker" else set(cores[:-1]))


_TURN = """
import collections, itertools, os
while os.getppid() == PARENT:
    collections.deque(itertools.repeat(None, 10_000_000), 0)
"""
"""Turns a loop of a few instructions, which leaves the caches as they are, for as long as the parent lives."""


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every core from falling asleep, by a process on each that runs when nobody else wants to.

    A core that sleeps wakes with cold caches, and later on a virtual machine, whose host has to be asked for it: what
    is measured between two requests is then the machine's idle states. They are switched off where latency is measured;
    a virtual machine cannot do that."""
    spinning = []
    try:
        for core in _cores():
            turn = _TURN.replace("PARENT", str(os.getpid()))
            child = subprocess.Popen([sys.executable, "-S", "-c", turn], start_new_session=True)
            spinning.append(child)
            _pin(child.pid, {core})
            os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, child.pid, 19)
            autogroup(child.pid)
        yield
    finally:
        for child in spinning:
            child.kill()
            child.wait()


def permitted() -> bool:
    """Whether real-time priority can be had (root, or CAP_SYS_NICE)."""
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_URGENT))
        os.sched_setscheduler(0, *before)
    except OSError:
        return False
    return True


def method(*, subjects: bool = True) -> str:
    """The sentence a result says about it."""
    first = ", ".join(str(core) for core in _cores()[:-1])
    if not first:
        return "One core for everybody."
    text = f"Callers and upstream are pinned to core {first}"
    text += " with real-time priority" if permitted() else " (real-time priority was not permitted)"
    if subjects:
        text += f", workers to core {_cores()[-1]}, a gateway's other processes to core {first}"
    return text + "."

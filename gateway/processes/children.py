"""Starting a child process so that it holds nothing that belongs to its siblings and never outlives its supervisor."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Protocol

from gateway.processes.kernel import die_with_parent, name_process

CRASHED = 70
"""Exit status after an uncaught exception (EX_SOFTWARE of sysexits.h)."""

_STEERED_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2}


class Closable(Protocol):
    def close(self) -> object: ...


class Process(Protocol):
    @property
    def pid(self) -> int: ...


def signal_all(processes: Iterable[Process], number: int) -> None:
    """Those that run; a pid of 0 is nobody. A child that has ended but was not waited for yet still has its pid, so
    this cannot hit a stranger."""
    for process in processes:
        if process.pid:
            os.kill(process.pid, number)


def load(entry: str) -> Any:
    """The object that ``module:name`` names."""
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)


def fork(name: str, main: Callable[[], int | None], private: Iterable[Closable], death_signal: int) -> int:
    """Fork a process named ``name``. The child closes ``private`` (what only the parent or a sibling may hold) and
    exits with what ``main`` returns. Returns the child's pid in the parent, never in the child.

    ``death_signal`` reaches the child when the parent ends. SIGINT and SIGHUP are ignored in the child: a terminal
    sends them to the whole process group, and it is the supervisor's to decide what they mean.
    """
    parent = os.getpid()
    # Blocked over the fork, so that a signal meant for the child is not swallowed by handlers it inherits.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STEERED_SIGNALS)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return pid
    status = CRASHED
    try:
        signal.set_wakeup_fd(-1)
        for held in private:
            held.close()
        # The supervisor collects nothing; each process decides that for itself.
        gc.enable()
        die_with_parent(death_signal)
        name_process(name)
        for number in _STEERED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        # Death before prctl() sends no signal.
        status = (main() or 0) if os.getppid() == parent else CRASHED
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        # Imported by then in every process but boot, which is forked before anything else is.
        import_module("logging").getLogger("microgate.children").exception("%s crashed", name)
    finally:
        # Never return into the parent's frames, nor run its exit handlers.
        try:
            sys.stdout.close()
            sys.stderr.close()
        finally:
            os._exit(status)


def describe_exit(wait_status: int) -> str:
    """``exited with status 1`` or ``was killed by SIGKILL``, from what waitpid() returned."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        try:
            return f"was killed by {signal.Signals(number).name}"
        except ValueError:
            return f"was killed by signal {number}"
    return f"exited with status {os.waitstatus_to_exitcode(wait_status)}"

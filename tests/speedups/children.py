"""Forked processes for tests of what several processes share."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def start(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child; exit code 1 when it raises."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """The child's exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert wait(pid) == -signal.SIGKILL, "the child ended before it was killed"

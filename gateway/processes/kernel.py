"""The C library calls that the standard library does not offer."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""
_PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send this process ``signal_number`` when its parent ends, however it ends (prctl(2)).

    The caller must look at getppid() afterwards: the parent may have ended before. Raises OSError."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def name_process(name: str) -> None:
    """Name this process for ps, top and /proc/PID/comm; the kernel keeps 15 bytes."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0)


def own_memory() -> int:
    """Bytes of memory that this process has for itself; 0 where the kernel does not say."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            _, resident, shared = file.read(128).split()[:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def trim_memory() -> bool:
    """Give free heap pages back to the kernel (glibc's malloc_trim); False where the C library has no such call."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True

"""Passwords of operators: Argon2id (RFC 9106), one at a time on a thread of its own, and no long line before it.

A login costs 40 ms of a processor and 19 MiB (the first choice of OWASP's cheat sheet for little memory: t=2, p=1). One
at a time bounds both, whoever asks; whoever finds the line full is told to come again. While wrong ones come again and
again they are looked at on another thread, which has only what nobody else wants of the processors.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256
MOST_WAITING = 8

NICENESS = 10
REST = 3
"""Times the processor time of a password none is looked at: a flood of logins has a quarter of a processor."""

FEW_WRONG = 20
FORGIVEN_EVERY_S = 10.0
"""More wrong ones than this, less one for each such span, are a flood."""

TIME_COST = 2
MEMORY_KIB = 19 * 1024


class TooBusy(Exception):
    """More logins than can be looked at soon."""


class UnfitPassword(ValueError):
    """The message says what is asked of a password."""


class Passwords:
    """Hashes and verifies; ``close`` ends its threads."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords", initializer=_stand_back)
        self._in_floods = ThreadPoolExecutor(max_workers=1, thread_name_prefix="guesses", initializer=_yield_always)
        self._one_at_a_time = threading.Lock()
        self._waiting = 0
        self._rested_at_s = 0.0
        self._wrong = 0.0
        self._wrong_at_s = 0.0
        self._hasher: Any = None
        self._nobody: str = ""

    async def hashed(self, password: str) -> str:
        """As it is stored. Raises UnfitPassword, TooBusy."""
        if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
            raise UnfitPassword(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
        return str(await self._run(self._hash, password))

    async def verify(self, stored: str, password: str) -> bool:
        """Whether it is the one; an empty ``stored`` (nobody has that name) takes as long and is False. Raises
        TooBusy."""
        if len(password) > MAX_CHARACTERS:
            return False
        right = bool(await self._run(self._verify, stored, password))
        if not right:
            self._wrong, self._wrong_at_s = self._wrong_lately() + 1, time.monotonic()
        return right

    def refuse_if_busy(self) -> None:
        """Raises TooBusy when the next one would find the line full."""
        if self._waiting >= MOST_WAITING:
            raise TooBusy("too many logins at once")

    def close(self) -> None:
        for thread in (self._thread, self._in_floods):
            thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Any, *arguments: str) -> Any:
        self.refuse_if_busy()
        thread = self._in_floods if self._wrong_lately() > FEW_WRONG else self._thread
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, self._paced, work, *arguments)
        finally:
            self._waiting -= 1

    def _wrong_lately(self) -> float:
        return max(0.0, self._wrong - (time.monotonic() - self._wrong_at_s) / FORGIVEN_EVERY_S)

    def _paced(self, work: Any, *arguments: str) -> Any:
        """Behind a rest in proportion to the work before: whoever comes alone waits for nothing."""
        with self._one_at_a_time:
            time.sleep(max(0.0, self._rested_at_s - time.monotonic()))
            # Not the clock's: on a busy machine that would be the time in which others had the processor.
            began_s = time.thread_time()
            try:
                return work(*arguments)
            finally:
                self._rested_at_s = time.monotonic() + REST * (time.thread_time() - began_s)

    def _ready(self) -> Any:
        if self._hasher is None:
            # Here and not above: most control processes see no login for days.
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1)
            self._nobody = self._hasher.hash("the password of nobody")
        return self._hasher

    def _hash(self, password: str) -> str:
        return str(self._ready().hash(password))

    def _verify(self, stored: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._ready()
        try:
            return bool(hasher.verify(stored or self._nobody, password)) and bool(stored)
        except (VerificationError, InvalidHashError):
            return False


def _yield_always() -> None:
    """Whoever else is ready to run goes before this thread, at once and however long it has waited (SCHED_IDLE,
    sched(7)). A smaller share alone would do for the average of what others wait, not for their longest waits."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def _stand_back() -> None:
    """Logins wait for whoever else wants the processor: workers, and the rest of this process."""
    with contextlib.suppress(OSError):
        # Of this thread alone: Linux keeps a priority for each (setpriority(2)).
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)

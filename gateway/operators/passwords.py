"""Passwords of operators: Argon2id (RFC 9106), one at a time on a thread of its own, and no long line before it.

A login costs 40 ms of a processor and 19 MiB (the first choice of OWASP's cheat sheet for little memory: t=2, p=1). One
at a time bounds both, whoever asks; whoever finds the line full is told to come again.
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
"""Times as long as a password took to look at none is looked at: a flood of logins has a quarter of a processor."""

TIME_COST = 2
MEMORY_KIB = 19 * 1024


class TooBusy(Exception):
    """More logins than can be looked at soon."""


class UnfitPassword(ValueError):
    """The message says what is asked of a password."""


class Passwords:
    """Hashes and verifies; ``close`` ends its thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords", initializer=_stand_back)
        self._waiting = 0
        self._rested_at_s = 0.0
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
        return bool(await self._run(self._verify, stored, password))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Any, *arguments: str) -> Any:
        if self._waiting >= MOST_WAITING:
            raise TooBusy("too many logins at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._paced, work, *arguments)
        finally:
            self._waiting -= 1

    def _paced(self, work: Any, *arguments: str) -> Any:
        """Behind a rest in proportion to the work before: whoever comes alone waits for nothing."""
        time.sleep(max(0.0, self._rested_at_s - time.monotonic()))
        began_s = time.monotonic()
        try:
            return work(*arguments)
        finally:
            ended_s = time.monotonic()
            self._rested_at_s = ended_s + REST * (ended_s - began_s)

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


def _stand_back() -> None:
    """Logins wait for whoever else wants the processor: workers, and the rest of this process."""
    with contextlib.suppress(OSError):
        # Of this thread alone: Linux keeps a priority for each (setpriority(2)).
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)

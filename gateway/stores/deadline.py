"""An end for calls of libraries that know none, or none for all that they do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class _Call(Generic[Result]):
    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self.result: Result
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # the caller's, who is told
            self.error = error


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What ``work`` returns or raises. Raises TimeoutError when that takes longer; the work then goes on on a thread
    that nobody waits for, not even the end of the process."""
    call = _Call(work)
    thread = threading.Thread(target=call.run, daemon=True, name="call with a deadline")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if call.error is not None:
        raise call.error
    return call.result

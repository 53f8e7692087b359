"""What goes on beside the block of a ``with`` statement."""

from __future__ import annotations

import threading
from typing import Self


class Beside:
    """Threads that run ``_run`` until the block ends; it returns soon after ``_stop`` is set."""

    def __init__(self, threads: int = 1) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

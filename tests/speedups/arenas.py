"""An arena to try limits on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from hypothesis import HealthCheck, settings

S = 10**9
NOW = 10**15

examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""A fixture's arena serves all examples of one test: each defines its limits anew."""


class TwoWorkers:
    """An arena with two workers in this process."""

    def __init__(self, module: ModuleType, path: Path, reservations: int = 32) -> None:
        self.module = module
        self.arena = module.Arena.create(str(path / "arena"), workers=2, capacity=64, reservations=reservations)
        self.workers = [self.arena.worker(0), self.arena.worker(1)]
        self.made = 0

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.arena.close()

"""The open-loop generator as a process of its own, its report as a dictionary."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import placement
from bench.load.subject import ROOT, Subject

GRACE = 90.0
"""Seconds beyond its own time-outs after which a generator is ended: opening 8,000 connections to a gateway that
accepts 100 a second takes as long."""


class Load:
    """A running generator; ``result`` waits for it."""

    def __init__(
        self, directory: Path, subject: Subject, kind: str, *, rate: float, seconds: float, warmup: float = 1.0,
        connections: int = 64, timeout: float = 30.0, header: str = "", max_connections: int = 16_000,
        ramp: bool = False,
    ) -> None:  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        body = directory / "body.json"
        body.write_bytes(subject.body(kind))
        command = [
            sys.executable, "-m", "gateway.loadgen", f"http://127.0.0.1:{subject.port}{subject.path(kind)}", "--json",
            "--key", subject.key, "--body", str(body), "--rate", str(rate), "--seconds", str(seconds),
            "--warmup", str(warmup), "--connections", str(connections), "--timeout", str(timeout),
            "--max-connections", str(max_connections),
        ]  # fmt: skip
        if ramp:
            command.append("--ramp")
        chosen = header or subject.overhead_header
        if chosen:
            command += ["--header", chosen]
        self._end = time.monotonic() + warmup + seconds + timeout + GRACE
        self._child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        placement.outside(self._child.pid)

    def result(self, every: float = 0.0, look: Callable[[], None] | None = None) -> dict[str, Any]:
        """The report; meanwhile ``look`` is called ``every`` so many seconds. Raises RuntimeError without a report."""
        try:
            while look is not None and self._child.poll() is None and time.monotonic() < self._end:
                try:
                    self._child.wait(every)
                except subprocess.TimeoutExpired:
                    look()
            out, err = self._child.communicate(timeout=max(0.1, self._end - time.monotonic()))
        except subprocess.TimeoutExpired as fault:
            raise RuntimeError("load generator: it did not end in time") from fault
        finally:
            self._child.kill()
        try:
            report: dict[str, Any] = json.loads(out)
        except ValueError as fault:
            raise RuntimeError(f"load generator: {err.decode(errors='replace')[-2000:]}") from fault
        return report


def load(directory: Path, subject: Subject, kind: str, **options: Any) -> dict[str, Any]:
    """Run to the end."""
    return Load(directory, subject, kind, **options).result()

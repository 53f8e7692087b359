"""The open-loop generator as a process of its own, its report as a dictionary."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load.subject import ROOT, Subject


class Load:
    """A running generator; ``result`` waits for it."""

    def __init__(
        self, directory: Path, subject: Subject, kind: str, *, rate: float, seconds: float, warmup: float = 1.0,
        connections: int = 64, timeout: float = 30.0, header: str = "", max_connections: int = 16_000,
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
        chosen = header or subject.overhead_header
        if chosen:
            command += ["--header", chosen]
        self._child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def result(self, every: float = 0.0, look: Callable[[], None] | None = None) -> dict[str, Any]:
        """The report; meanwhile ``look`` is called ``every`` so many seconds. Raises RuntimeError without a report."""
        while look is not None and self._child.poll() is None:
            try:
                self._child.wait(every)
            except subprocess.TimeoutExpired:
                look()
        out, err = self._child.communicate()
        try:
            report: dict[str, Any] = json.loads(out)
        except ValueError as fault:
            raise RuntimeError(f"load generator: {err.decode(errors='replace')[-2000:]}") from fault
        return report


def load(directory: Path, subject: Subject, kind: str, **options: Any) -> dict[str, Any]:
    """Run to the end."""
    return Load(directory, subject, kind, **options).result()

"""Figures whose measurement is their guarding test at full length."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from bench.load.result import ROOT
from bench.reliability.figures import Outcome

_MEASURED = re.compile(r"^  (?P<what>[^\n]+): (?P<value>[^\n]*) \(promised: [^\n]*\)$", re.MULTILINE)
_SUMMARY = re.compile(r"(\d+) (passed|failed|skipped|error)")


def guarded(*tests: str, quick: bool, note: str = "") -> Outcome:
    """Run ``tests``, as ``file::name``, with the rounds that are promised; what they print of what they measured, and
    how many passed. Kept when all did and none was left out."""
    env = {**os.environ, "MICROGATE_ROUNDS": "short" if quick else "full"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    counts = {what: int(count) for count, what in _SUMMARY.findall(done.stdout.strip().rpartition("\n")[2])}
    if done.returncode:
        print(done.stdout[-4000:])
    values: dict[str, Any] = {row["what"]: row["value"] for row in _MEASURED.finditer(done.stdout)}
    values["tests passed"] = counts.get("passed", 0)
    for what in ("failed", "skipped", "error"):
        if what in counts:
            values[f"tests {what}"] = counts[what]
    return Outcome(values, done.returncode == 0 and not _left_out(counts), note)


def _left_out(counts: dict[str, int]) -> Sequence[str]:
    return [what for what, count in counts.items() if what != "passed" and count]

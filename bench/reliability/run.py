"""Measure figures and keep what was measured: bench/results/reliability.json, one entry a figure."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.load import result
from bench.reliability.figures import Outcome, load

CASE = "reliability"


def path(*, quick: bool = False) -> Path:
    """Where results are kept; those of short runs never replace others."""
    return (result.QUICK if quick else result.DIRECTORY) / f"{CASE}.json"


def read(file: Path) -> dict[str, dict[str, Any]]:
    """id -> what was measured last; empty before the first run."""
    measured: dict[str, dict[str, Any]] = json.loads(file.read_text())["figures"] if file.exists() else {}
    return measured


def keep(file: Path, name: str, outcome: Outcome, *, quick: bool) -> None:
    """Put one outcome beside those of other figures."""
    figures = read(file)
    figures[name] = {
        "values": dict(outcome.values),
        "kept": outcome.kept,
        "note": outcome.note,
        "taken": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": result.machine(),
        "versions": result.versions(),
    }
    ordered = dict(sorted(figures.items(), key=lambda row: (row[0][0], int(row[0][1:]))))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"case": CASE, "figures": ordered}, indent=1) + "\n")


def run(names: Sequence[str], *, quick: bool = False) -> int:
    """Measure these figures, all without names; returns how many failed or did not keep their promise. Raises
    ValueError for an id that nothing measures."""
    figures = load()
    if unknown := [name for name in names if name not in figures]:
        raise ValueError(f"nothing measures {', '.join(unknown)}; there are {', '.join(figures)}")
    broken = 0
    for name in names or figures:
        print(f"{name}:", flush=True)
        begun = time.monotonic()
        try:
            outcome = figures[name].measure(quick)
        except Exception:  # one figure must not keep the others from being measured
            broken += 1
            traceback.print_exc()
            continue
        keep(path(quick=quick), name, outcome, quick=quick)
        broken += not outcome.kept
        for what, value in outcome.values.items():
            print(f"  {what}: {value}")
        print(f"  {'kept' if outcome.kept else 'NOT KEPT'}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return broken

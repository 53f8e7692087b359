"""Results on disk: one JSON file a case, machine, versions and method on top."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

_BENCH = Path(__file__).resolve().parent.parent
ROOT = _BENCH.parent
DIRECTORY = _BENCH / "results"
QUICK = ROOT / "build" / "bench"

_PACKAGES = ("uvloop", "httptools", "orjson", "msgspec", "Cython", "sqlalchemy", "litestar")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else ""


def machine() -> dict[str, object]:
    """Processor, cores, memory and kernel."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
    }


def versions() -> dict[str, str]:
    """Of everything that takes part."""
    found = {"python": platform.python_version(), "nginx": _first_line("nginx", "-v").removeprefix("nginx version: ")}
    found["wrk"] = _first_line("wrk", "-v").partition(" Copyright")[0]
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=_BENCH, capture_output=True, text=True, check=False
    )
    found["microgate"] = commit.stdout.strip() or "unknown"
    return found


def write(case: str, title: str, method: str, figures: dict[str, Any], *, quick: bool = False) -> Path:
    """Write ``<case>.json``; returns its path. A quick run never replaces a real one, and is marked as such.

    ``figures`` may hold ``load_before``: the machine's load average before the case began, which tells whether others
    were working on it.
    """
    directory = QUICK if quick else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{case}.json"
    document = {
        "case": case,
        "title": title,
        "method": method,
        "taken": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "versions": versions(),
        **figures,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def read(directory: Path = DIRECTORY) -> dict[str, dict[str, Any]]:
    """All results by case."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}

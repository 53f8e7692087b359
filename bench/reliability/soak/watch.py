"""What the soak reads of the gateway's processes every few seconds, and whether it grows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from bench.load import tree
from bench.reliability.instance import Instance
from bench.reliability.slope import FEWEST, Slope, slope

KEPT_METRICS = re.compile(r'(?m)^(microgate_worker_(?:garbage_objects|connections)\{worker="\d+"\}) (\S+)$')


class Sample(NamedTuple):
    """One process at one moment."""

    rss: int
    pss: int
    """Bytes."""
    fds: int
    threads: int
    cpu_us: int
    garbage: int
    """Containers that wait for the collector, as a worker says; 0 of others."""


class Watch:
    """Samples by process: ``supervisor``, ``control``, ``worker-0``, ..."""

    def __init__(self, gateway: Instance, file: TextIO) -> None:
        self.samples: list[tuple[float, dict[str, tuple[int, Sample]]]] = []
        """Moment (time.monotonic()) -> name -> process id and what it holds."""
        self._gateway = gateway
        self._file = file

    def look(self) -> dict[str, tuple[int, Sample]]:
        """Read everybody, and write it down at once."""
        metrics: Mapping[str, float] = {}
        with contextlib.suppress(OSError):
            metrics = {name: float(value) for name, value in KEPT_METRICS.findall(self._gateway.get("/metrics")[1])}
        everybody = {name.removeprefix("mg-"): pid for name, pid in self._gateway.children()}
        everybody["supervisor"] = self._gateway.supervisor
        found = {}
        for name, pid in everybody.items():
            sample = _sample(pid, int(metrics.get(_garbage(name), 0)))
            if sample is not None:
                found[name] = pid, sample
        self.samples.append((time.monotonic(), found))
        self._file.write(json.dumps({"at": self.samples[-1][0], "processes": found}) + "\n")
        self._file.flush()
        return found

    def series(self, since: float) -> dict[str, tuple[list[float], list[Sample]]]:
        """Of every process that was there the whole time since then: moments and samples."""
        within = [(at, found) for at, found in self.samples if at >= since]
        if not within:
            return {}
        last = within[-1][1]
        whole = [name for name in last if all(f.get(name, (0,))[0] == last[name][0] for _, f in within)]
        return {name: ([at for at, _ in within], [found[name][1] for _, found in within]) for name in whole}

    def slopes(self, since: float, field: str) -> dict[str, Slope]:
        """Of every process that was there the whole time, and of all of them together."""
        series = self.series(since)
        found = {}
        total: list[float] = []
        moments: list[float] = []
        for name, (moments, samples) in sorted(series.items()):
            values = [float(getattr(sample, field)) for sample in samples]
            total = [one + other for one, other in zip(total, values, strict=True)] if total else values
            if len(values) >= FEWEST:
                found[name] = slope(moments, values)
        if len(total) >= FEWEST:
            found["together"] = slope(moments, total)
        return found

    def shares(self) -> dict[str, float]:
        """Part of one core that each process took from the first sample to the last in which it was the same."""
        found = {}
        for name in self.samples[-1][1]:
            pid = self.samples[-1][1][name][0]
            same = [(at, seen[name][1]) for at, seen in self.samples if seen.get(name, (0,))[0] == pid]
            (first, before), (last, after) = same[0], same[-1]
            if last > first:
                found[name] = (after.cpu_us - before.cpu_us) / 1e6 / (last - first)
        return found


def _own_cpu_us(pid: int) -> int:
    """Of the process alone: a supervisor inherits what killed workers had used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) * (1_000_000 // os.sysconf("SC_CLK_TCK"))


def _garbage(name: str) -> str:
    return f'microgate_worker_garbage_objects{{worker="{name.removeprefix("worker-")}"}}'


def _sample(pid: int, garbage: int) -> Sample | None:
    member = tree.member(pid, memory=True)
    if member is None:
        return None
    with contextlib.suppress(OSError):
        fds, threads = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
        return Sample(member.rss, member.pss, fds, threads, _own_cpu_us(pid), garbage)
    return None

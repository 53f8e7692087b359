"""When requests are meant to leave: evenly spaced, at random, or as a trace recorded them."""

from __future__ import annotations

import gzip
import math
import random
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

NS = 1_000_000_000


def even(rate: float, seconds: float) -> list[int]:
    """Nanoseconds from the start, ``rate`` a second at equal distances, over ``seconds``."""
    return [int(i * NS / rate) for i in range(int(rate * seconds))]


def ramp(rate: float, seconds: float) -> list[int]:
    """Nanoseconds from the start of a rate that grows evenly from nothing to ``rate`` within ``seconds``."""
    return [int(math.sqrt(2 * i * seconds / rate) * NS) for i in range(int(rate * seconds / 2))]


def poisson(rate: float, seconds: float, seed: int = 1) -> list[int]:
    """Nanoseconds from the start with exponential distances, as independent callers arrive; equal for equal seeds."""
    draw = random.Random(seed)  # load, not secrets
    moments: list[int] = []
    at = draw.expovariate(rate)
    while at < seconds:
        moments.append(int(at * NS))
        at += draw.expovariate(rate)
    return moments


def _moment(line: str) -> float | None:
    """Seconds of one line of a trace, None for a heading."""
    if line.startswith("{"):
        return float(orjson.loads(line)["timestamp"]) / 1000
    first = line.split(",", 1)[0].strip()
    try:
        return float(first)
    except ValueError:
        pass
    try:
        # Azure writes seven digits of a second, datetime reads six.
        day, _, fraction = first.partition(".")
        whole = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        return whole + float(f"0.{fraction or 0}")
    except ValueError:
        return None


def trace(path: Path, rate: float = 0.0, limit: int = 0) -> list[int]:
    """Nanoseconds from the first arrival of a trace file (gzip by its name).

    Lines are ``seconds,...`` or an ISO time first (CSV), or JSON objects with ``timestamp`` in milliseconds. ``rate``
    stretches the trace to that mean rate; ``limit`` takes its first rows only. Raises ValueError for fewer than two.
    """
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found = (moment for line in text.decode().splitlines() if line and (moment := _moment(line)) is not None)
    seconds = sorted(islice(found, limit or None))
    if len(seconds) < 2 or seconds[-1] == seconds[0]:
        raise ValueError(f"{path}: a trace needs at least two moments")
    length = seconds[-1] - seconds[0]
    factor = 1.0 if not rate else (len(seconds) - 1) / rate / length
    return [int((second - seconds[0]) * factor * NS) for second in seconds]

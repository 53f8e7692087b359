"""When the calls of the soak come, and how large they are: what real services saw, compressed in time."""

from __future__ import annotations

import csv
import gzip
import json
import os
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.reliability.soak.mix import SIZES
from bench.reliability.soak.provider import LENGTHS
from gateway.loadgen import arrivals

NS = 1_000_000_000
BYTES_PER_TOKEN = 4

TRACES = (
    "AzureLLMInferenceTrace_conv.csv",
    "AzureLLMInferenceTrace_code.csv",
    "mooncake_conversation_trace.jsonl.gz",
    "mooncake_synthetic_trace.jsonl.gz",
)
"""An hour of calls each; one follows the other, and then they begin again."""


class Arrival(NamedTuple):
    """One call."""

    moment_ns: int
    """Since the first."""
    size: int
    """Place in SIZES."""
    length: int
    """Place in LENGTHS."""


def directory() -> Path:
    """Where the traces lie: below what MICROGATE_CORPUS names. Raises RuntimeError without them."""
    found = Path(os.environ.get("MICROGATE_CORPUS", ""), "traces")
    if missing := [name for name in TRACES if not (found / name).is_file()]:
        raise RuntimeError(f"MICROGATE_CORPUS names no directory with traces/{missing[0]}")
    return found


def _tokens(path: Path) -> Iterator[tuple[int, int]]:
    """Of prompt and completion of each call."""
    if path.suffix == ".gz":
        for line in gzip.decompress(path.read_bytes()).splitlines():
            row = json.loads(line)
            yield int(row["input_length"]), int(row["output_length"])
    else:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                yield int(row["ContextTokens"]), int(row["GeneratedTokens"])


def _place(value: int, steps: tuple[int, ...]) -> int:
    return min(bisect_left(steps, value), len(steps) - 1)


def once(traces: Path, rate: float) -> list[Arrival]:
    """All of them one after the other, each compressed to ``rate`` calls a second on average."""
    found: list[Arrival] = []
    start = 0
    for name in TRACES:
        moments = arrivals.trace(traces / name, rate)
        for moment, (prompt, completion) in zip(moments, _tokens(traces / name), strict=True):
            size, length = _place(prompt * BYTES_PER_TOKEN, SIZES), _place(completion // BYTES_PER_TOKEN, LENGTHS)
            found.append(Arrival(start + moment, size, length))
        start = found[-1].moment_ns + int(NS / rate)
    return found


def peak(found: list[Arrival], seconds: float) -> float:
    """Calls a second in the fullest stretch of ``seconds``."""
    most = first = 0
    for last, arrival in enumerate(found):
        while arrival.moment_ns - found[first].moment_ns > seconds * NS:
            first += 1
        most = max(most, last - first + 1)
    return most / seconds

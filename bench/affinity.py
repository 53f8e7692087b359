"""Prompt-cache affinity on recorded traffic: how many blocks of prompts are found warm, and how even the load stays.

The traces are Mooncake's (one hour of conversations, 17 minutes of a synthetic mix): arrival time, input tokens, and a
number for every block of 512 tokens, equal where the whole prefix is equal. Each block becomes 2 KiB of text that only
depends on its number, so what is measured are the digests of real bodies. A block is warm at a key that was sent it no
longer than 300 s ago, each use counting anew, if all blocks before it are.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from _speedups._affinity import Affinity, digests, memory_bytes, prompt
from bench.load import result
from bench.load.session import Options
from gateway.routing.affinity import AGREEMENT

CORPUS = "MICROGATE_CORPUS"
KEYS = 8
TTL_MS = 300_000
TRACES = ("conversation", "synthetic")
BLOCK_BYTES = 2048
BYTES_PER_TOKEN = 4
MINUTE_MS = 60_000
START_NS = 10**15
SALTS = range(4)
"""Draws, hashes and key identities are luck: figures are means over so many."""
SPILLS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
LOADS_S = (10, 20, 30, 60, 120)
AGREEMENTS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)
ENTRIES = (4096, 16_384, 65_536)


@dataclass(frozen=True, slots=True)
class Arrival:
    at_ms: int
    tokens: int
    blocks: tuple[int, ...]
    chain: bytes


Policy = Callable[[Arrival], int]
Figures = dict[str, float]


@lru_cache(maxsize=200_000)
def _text(block: int) -> bytes:
    return random.Random(block).randbytes(BLOCK_BYTES // 2).hex().encode()


def _arrival(row: Mapping[str, Any]) -> Arrival:
    blocks, tokens = tuple(row["hash_ids"]), int(row["input_length"])
    text = b"".join(map(_text, blocks))[: tokens * BYTES_PER_TOKEN]
    said = prompt(b'{"model":"m","messages":[{"role":"user","content":"' + text + b'"}]}')
    return Arrival(int(row["timestamp"]), tokens, blocks, digests(said, 0, len(said)))


def read(directory: Path, name: str) -> list[Arrival]:
    """Raises FileNotFoundError."""
    with gzip.open(directory / f"mooncake_{name}_trace.jsonl.gz", "rt") as lines:
        return [_arrival(json.loads(line)) for line in lines]


def play(trace: Sequence[Arrival], policy: Policy) -> Figures:
    """Hit rate in blocks, imbalance (max / mean input tokens a key, mean over minutes), and the one over the other."""
    warm: list[dict[int, int]] = [{} for _ in range(KEYS)]
    loads: dict[int, list[int]] = {}
    hits = blocks = 0
    for arrival in trace:
        key = policy(arrival)
        seen, hit = warm[key], True
        for block in arrival.blocks:
            hit = hit and arrival.at_ms - seen.get(block, -TTL_MS - 1) <= TTL_MS
            hits += hit
            seen[block] = arrival.at_ms
        blocks += len(arrival.blocks)
        loads.setdefault(arrival.at_ms // MINUTE_MS, [0] * KEYS)[key] += arrival.tokens
    imbalance = sum(max(minute) * KEYS / sum(minute) for minute in loads.values()) / len(loads)
    return {"hit_rate": hits / blocks, "imbalance": imbalance, "score": hits / blocks / imbalance}


def _mean(seen: Iterable[Figures]) -> Figures:
    rows = list(seen)
    return {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in rows[0]}


def drawn(salt: int) -> Policy:
    """Weighted random, all weights the same."""
    draw = random.Random(salt)
    return lambda arrival: draw.randrange(KEYS)


def hashed(salt: int, block: int) -> Policy:
    """Hash of the prompt's beginning, ``block`` 0 or 1 included: every prompt of the conversations begins alike, so
    that the second block is what a session's name would be."""

    def choose(arrival: Arrival) -> int:
        named = f"{salt} {arrival.blocks[min(block, len(arrival.blocks) - 1)]}".encode()
        return hashlib.blake2b(named, digest_size=1).digest()[0] % KEYS

    return choose


def affine(
    salt: int,
    workers: int = 1,
    *,
    shared: bool = True,
    spill: float = 0.5,
    agreement: float = 0.0,
    load_s: int = 30,
    entries: int = 65_536,
) -> Policy:
    """Affinity in so many workers, over one memory or each with its own; connections are dealt at random."""
    draw = random.Random(salt)
    identities = [draw.getrandbits(64) for _ in range(KEYS)]
    memory = bytearray(memory_bytes(entries)) if shared else None
    tables = [
        Affinity(
            KEYS, TTL_MS * 10**6, identities=identities, entries=entries, spill=spill, agreement=agreement,
            load_ns=load_s * 10**9, memory=memory,
        )
        for _ in range(workers)
    ]  # fmt: skip

    def choose(arrival: Arrival) -> int:
        table, now_ns = tables[draw.randrange(workers)], START_NS + arrival.at_ms * 10**6
        key = table.choose(arrival.chain, (1 << KEYS) - 1, now_ns)
        if key < 0:
            key = draw.randrange(KEYS)
        table.used(arrival.chain, key, arrival.tokens, now_ns)
        return key

    return choose


def _mean_of(trace: Sequence[Arrival], policy: Callable[[int], Policy]) -> Figures:
    return _mean(play(trace, policy(salt)) for salt in SALTS)


def placements(trace: Sequence[Arrival]) -> dict[str, Figures]:
    rows = {
        "weighted random": _mean_of(trace, drawn),
        "hash of the first block": _mean_of(trace, lambda salt: hashed(salt, 0)),
        "hash of the first two blocks": _mean_of(trace, lambda salt: hashed(salt, 1)),
        "affinity, 1 worker": _mean_of(trace, affine),
    }
    for workers in (2, 4):
        rows[f"affinity, {workers} workers, shared memory"] = _mean_of(trace, lambda s, w=workers: affine(s, w))
    for workers in (1, 2, 4):
        rows[f"affinity, {workers} workers, a table each" if workers > 1 else "affinity, 1 of many hosts"] = _mean_of(
            trace, lambda s, w=workers: affine(s, w, shared=False, agreement=AGREEMENT)
        )
    return rows


def traces_place() -> Path:
    return Path(os.environ.get(CORPUS) or result.ROOT.parent / "shared" / "data") / "traces"


def lacking() -> str:
    """Why this case cannot run here; empty when it can."""
    place = traces_place()
    return "" if place.is_dir() else f"there are no traces in {place}; {CORPUS} says where the corpus is"


def affinity(options: Options) -> None:
    """Every placement and the curves of the settings, on both traces. Raises FileNotFoundError without them."""
    place = traces_place()
    traces = {}
    for name in TRACES:
        trace = read(place, name)
        if options.quick:
            trace = trace[:1000]
        rows = placements(trace)
        for row, seen in rows.items():
            print(f"  {name}: {row:<40} {seen['hit_rate']:.3f} / {seen['imbalance']:.2f} = {seen['score']:.4f}")
        curves = {
            "spill": {f"{spill:g}": _mean_of(trace, lambda s, v=spill: affine(s, spill=v)) for spill in SPILLS},
            "half-life of the load, s": {
                f"{load}": _mean_of(trace, lambda s, v=load: affine(s, load_s=v)) for load in LOADS_S
            },
            "prefixes": {f"{size}": _mean_of(trace, lambda s, v=size: affine(s, entries=v)) for size in ENTRIES},
            "agreement, 4 workers with a table each": {
                f"{value:g}": _mean_of(trace, lambda s, v=value: affine(s, 4, shared=False, agreement=v))
                for value in AGREEMENTS
            },
        }
        traces[name] = {"requests": len(trace), "placements": rows, "curves": curves}
    result.write(
        "affinity",
        "Prompt-cache affinity, 8 keys",
        "Mooncake's traces (kvcache-ai/Mooncake, FAST25-release) played in their own time, without network. A block of "
        "512 tokens is warm at a key that was sent it within 300 s, each use counting anew. Hit rate: blocks found "
        "warm of all blocks. Imbalance: max / mean input tokens a key, mean over minutes. Score: the one divided by "
        f"the other. Means over {len(SALTS)} draws, hashes or identities of keys.",
        {"traces": traces},
        quick=options.quick,
    )

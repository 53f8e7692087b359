"""``python -m bench.index.kills``: one process writes a vector index, eight read it, any of them is killed at random.

A vector derives from its key, and so does its scope: a reader makes both again for every key that it is given, so that
a torn vector, a wrong cosine or a foreign scope shows at once. The writer keeps a journal in shared memory of what is
surely there. It grows, shrinks and exchanges what the index holds; a quarter is in one scope, which is searched through
the graph, the others are in scopes of a few. At the end the same content is put into a new index, and both find as
much.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _speedups._hnsw import IndexReader, IndexWriter
from bench.load import result

LARGE, SMALL, FOREIGN = 10, 100, 7
CENTRES = 500
OFF = 2e-5
"""A cosine summed up in another order differs by less."""
NAMES = ("lookups", "results", "wrong_cosine", "foreign_scope", "live_looked_up", "live_missed")
CHECKED = (
    "writer_kills", "reader_kills", "opened_not_clean", "whole_checks", "looked_up_after_kill", "lost_after_kill",
    "passed_after_kill",
)  # fmt: skip
WRONG = ("wrong_cosine", "foreign_scope", "opened_not_clean", "lost_after_kill", "lost_at_the_end")
LIVE, NEXT = 0, 1


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float
    readers: int
    dim: int
    ids: int
    kind: str = "float32"

    @property
    def most(self) -> int:
        return self.ids


class World:
    """What every process can work out: vectors and scopes of keys, and the journal that they share."""

    def __init__(self, plan: Plan, place: Path) -> None:
        self.plan, self.path = plan, place / "index"
        self.centres = np.random.default_rng(1).standard_normal((CENTRES, plan.dim), np.float32)
        self._journal = mmap.mmap(-1, 8 * plan.ids + 8)
        self.journal = np.frombuffer(self._journal, np.uint32)[: 2 * plan.ids].reshape(plan.ids, 2)
        """By id: the generation that is there (0: none), and the highest that ever was."""
        self.pending = np.frombuffer(self._journal, np.uint32)[2 * plan.ids :]
        """The id that is being changed plus one; how many changes were made."""
        self._counts = mmap.mmap(-1, 8 * len(NAMES) * plan.readers)
        self.counts = np.frombuffer(self._counts, np.uint64).reshape(plan.readers, len(NAMES))

    def vector(self, key: int) -> Any:
        noise = np.random.Generator(np.random.SFC64(key)).standard_normal(self.plan.dim, np.float32)
        found = self.centres[(key >> 16) % CENTRES] + np.float32(0.6) * noise
        return found / np.linalg.norm(found)

    def scope(self, key: int) -> int:
        number = key >> 16
        return LARGE if number % 4 == 0 else SMALL + number // 4 % (self.plan.ids // 16)

    def live(self) -> list[int]:
        """Those that are surely there."""
        ids = np.flatnonzero(self.journal[:, LIVE])
        return [int(number) << 16 | int(self.journal[number, LIVE]) for number in ids]

    def read(self) -> dict[str, int]:
        """What all readers have counted."""
        return dict(zip(NAMES, self.counts.sum(axis=0).tolist(), strict=True))

    def stored_cosine(self, key: int, query: Any) -> float:
        vector = self.vector(key)
        if self.plan.kind == "int8":
            code = np.round(vector.astype(np.float64) * (127.0 / np.abs(vector).max()))
            return float(code @ query / np.linalg.norm(code))
        return float(vector @ query)

    def open_writer(self, name: str = "") -> Any:
        path = str(self.path) + name
        return IndexWriter(path, self.plan.dim, self.plan.kind, ef_construction=64, most=self.plan.most)


def write(world: World) -> None:
    """Until killed. Whether more is put or more removed turns with the fill."""
    writer, draw, journal, pending = world.open_writer(), random.Random(), world.journal, world.pending
    check_opened(world, writer)
    filling = draw.random() < 0.7
    while True:
        live = len(writer)
        if live > world.plan.ids * 0.8:
            filling = False
        elif live < world.plan.ids * 0.1 or draw.random() < 0.0005:
            filling = True
        number = draw.randrange(world.plan.ids)
        there, highest = (int(value) for value in journal[number])
        wanted = draw.random() < (0.8 if filling else 0.25)
        if not there and not wanted:
            continue
        pending[0] = number + 1
        if there:
            assert writer.remove(number << 16 | there), f"{number} was not there"
            journal[number, LIVE] = 0
        if wanted:
            generation = highest % 65535 + 1
            journal[number, NEXT] = generation
            key = number << 16 | generation
            writer.put(world.scope(key), key, world.vector(key).tobytes())
            journal[number, LIVE] = generation
        pending[0] = 0
        pending[1] += 1


def check_opened(world: World, writer: Any) -> None:
    """What was pending is settled: whatever became of it, it is gone afterwards. Everything else is counted."""
    if world.pending[0]:
        number = int(world.pending[0]) - 1
        for generation in {int(value) for value in world.journal[number]}:
            writer.remove(number << 16 | generation)
        world.journal[number, LIVE] = 0
        world.pending[0] = 0
    expected = int(np.count_nonzero(world.journal[:, LIVE]))
    assert len(writer) == expected, f"{len(writer)} vectors, {expected} in the journal"


def read(world: World, place: int) -> None:
    """Until killed. Half of the searches are for a vector that is there, in its scope; the journal is looked at before
    and after, so that one that was there all the time and was not found is counted as missed."""
    draw, counts = random.Random(), world.counts[place]
    while True:
        reader = IndexReader(str(world.path))
        for _ in range(5000):
            number = draw.randrange(world.plan.ids)
            generation = int(world.journal[number, LIVE])
            key = number << 16 | max(1, generation)
            query, scope = world.vector(key), world.scope(key)
            if draw.random() < 0.5:
                query = query + np.float32(0.01) * world.centres[draw.randrange(CENTRES)]
                query /= np.linalg.norm(query)
                scope = draw.choice((LARGE, FOREIGN, SMALL + draw.randrange(world.plan.ids // 16)))
                generation = 0
            found = reader.nearest(scope, query.tobytes(), 4)
            counts[0] += np.uint64(1)
            counts[1] += np.uint64(len(found))
            for other, cosine in found:
                if world.scope(other) != scope:
                    counts[3] += np.uint64(1)
                elif abs(world.stored_cosine(other, query) - cosine) > OFF:
                    counts[2] += np.uint64(1)
            if generation and world.journal[number, LIVE] == generation and world.pending[0] != number + 1:
                counts[4] += np.uint64(1)
                counts[5] += np.uint64(key not in dict(found))
        reader.close()


def start(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def kill(pid: int) -> bool:
    """Whether it was alive until now: a process of this run never ends by itself."""
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def unfound(world: World, writer: Any) -> tuple[int, int]:
    """How many of what is surely there are not found: in scopes that are compared whole, of which there is none, and in
    the large one, whose graph may lead past one."""
    missed = [0, 0]
    for key in world.live():
        scope = world.scope(key)
        missed[scope == LARGE] += key not in dict(writer.nearest(scope, world.vector(key).tobytes(), 4))
    return missed[0], missed[1]


def recall(world: World, index: Any, queries: int = 500) -> float:
    """Share of queries into the large scope whose nearest vector is found first."""
    keys = [key for key in world.live() if world.scope(key) == LARGE]
    vectors, draw = np.array([world.vector(key) for key in keys]), np.random.default_rng(5)
    hits = 0
    for number in draw.integers(0, CENTRES, queries):
        query = world.centres[number] + np.float32(0.6) * draw.standard_normal(world.plan.dim, np.float32)
        query /= np.linalg.norm(query)
        best = keys[int((vectors @ query).argmax())]
        hits += [key for key, _ in index.nearest(LARGE, query.astype(np.float32).tobytes(), 1)] == [best]
    return hits / queries


def run(plan: Plan, place: Path, *, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Figures of one run; ``faults`` is 0 when nothing was wrong. Leaves no process behind."""
    world, draw = World(plan, place), random.Random(4)
    world.open_writer().close()
    figures = dict.fromkeys(CHECKED, 0)
    writer = start(lambda: write(world))
    readers = [start(lambda n=number: read(world, n)) for number in range(plan.readers)]
    largest, begun, told = 0, time.monotonic(), time.monotonic()
    try:
        # A short run on a busy machine lasts until something has been changed and looked up.
        while time.monotonic() < begun + plan.seconds or not (world.pending[1] and world.read()["lookups"]):
            time.sleep(draw.uniform(0.05, 0.6))
            if draw.random() < 0.6:
                figures["opened_not_clean"] += not kill(writer)
                figures["writer_kills"] += 1
                if figures["writer_kills"] % 25 == 0:
                    opened = world.open_writer()
                    check_opened(world, opened)
                    whole, graph = unfound(world, opened)
                    figures["lost_after_kill"] += whole
                    figures["passed_after_kill"] += graph
                    figures["looked_up_after_kill"] += len(opened)
                    figures["whole_checks"] += 1
                    opened.close()
                writer = start(lambda: write(world))
            else:
                victim = draw.randrange(plan.readers)
                figures["opened_not_clean"] += not kill(readers[victim])
                readers[victim] = start(lambda n=victim: read(world, n))
                figures["reader_kills"] += 1
            largest = max(largest, world.path.stat().st_size)
            if time.monotonic() > told + 30:
                told = time.monotonic()
                say(f"{told - begun:.0f} s: {figures | world.read()}")
    finally:
        for pid in [writer, *readers]:
            with contextlib.suppress(ProcessLookupError):
                figures["opened_not_clean"] += not kill(pid)
    return figures | ending(world, largest)


def ending(world: World, largest: int) -> dict[str, Any]:
    """What is left, opened once more and beside an index that was never disturbed."""
    left, fresh = world.open_writer(), world.open_writer("-fresh")
    check_opened(world, left)
    for key in world.live():
        fresh.put(world.scope(key), key, world.vector(key).tobytes())
    figures: dict[str, Any] = world.read()
    figures["changes"] = int(world.pending[1])
    figures["file_mib_at_most"] = round(largest / 2**20, 1)
    figures["vectors_at_the_end"], figures["tombstones_at_the_end"] = len(left), left.stats()["tombstones"]
    figures["lost_at_the_end"], figures["passed_at_the_end"] = unfound(world, left)
    figures["passed_fresh"] = unfound(world, fresh)[1]
    figures["recall"], figures["recall_fresh"] = recall(world, left), recall(world, fresh)
    for index in left, fresh:
        index.close()
    return figures


def faults(figures: dict[str, Any]) -> int:
    """Results that must not be."""
    return sum(int(figures[name]) for name in WRONG)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.index.kills", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--ids", type=int, default=40_000, help="vectors at most (40000)")
    parser.add_argument("--kind", default="float32", choices=["float32", "int8"])
    parser.add_argument("--quick", action="store_true", help="does not replace the result that is shown")
    asked = parser.parse_args()
    plan = Plan(asked.seconds, asked.readers, asked.dim, asked.ids, asked.kind)
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    place = Path(tempfile.mkdtemp(prefix="index-", dir=shared))
    try:
        figures = run(plan, place, say=lambda text: print(text, flush=True))
    finally:
        shutil.rmtree(place)
    print(json.dumps(figures, indent=1))
    method = (
        "One writer puts, replaces and removes, readers search; every 50 to 600 ms one of them is killed with SIGKILL "
        "and started again. Vectors and scopes derive from keys, so each result is computed anew by its reader. Every "
        "25 kills of the writer all vectors of its journal are looked up. Recall: the index of the run beside a new "
        "one with the same content."
    )
    told = {"plan": asdict(plan), **figures}
    result.write("index_kills", "Vector index under kills", method, told, quick=asked.quick)
    return 1 if faults(figures) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Both twins write the same bytes, so each can take over what the other left."""

from __future__ import annotations

import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from _speedups import _layout
from tests.speedups.conftest import BUCKETS

S = 10**9
NOW = 10**15


def define(bucket: ModuleType, arena: Any) -> None:
    arena.define(0, 1, bucket.GCRA, 10, S)
    arena.define(1, 2, bucket.WINDOW, 300, S, unit=bucket.TOKENS)
    arena.define(2, 3, bucket.ROLLING, 400, S, unit=bucket.TOKENS)
    arena.define(3, 4, bucket.GAUGE, 6, 0)
    arena.define(4, 5, bucket.MONEY, 1 << 40, 7 * S)
    arena.define(5, 6, bucket.GCRA, 500, S, unit=bucket.TOKENS)
    arena.define(6, 7, bucket.HEALTH, 0, 0)
    arena.define(7, 8, bucket.ROLLING, 1 << 43, S, unit=bucket.USD, label=3)
    arena.define(8, 9, bucket.WINDOW, 400, 9 * S, unit=bucket.OUTPUT_TOKENS, ends=(NOW + S, NOW + 9 * S))
    arena.define(9, 10, bucket.MONEY, 1 << 40, S, offset_ns=S // 3)
    arena.define(10, 11, bucket.GCRA, 400, S, unit=bucket.INPUT_TOKENS)


class Script:
    """The same random operations on any arena; everything that a caller sees is kept."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = NOW
        self.held: list[tuple[int, int]] = []
        self.seen: list[Any] = []

    @staticmethod
    def pending(arena: Any, who: int, handle: int) -> bool:
        state = arena.q[arena.geometry.states(who) + (handle & (1 << _layout.INDEX_BITS) - 1)]
        return bool(state == handle >> _layout.INDEX_BITS << 8 | _layout.S_PENDING)

    def run(self, bucket: ModuleType, arena: Any, turns: int) -> None:
        chance, seen = self.random, self.seen
        # Whoever comes next finds these reservations posted as the crash of their worker.
        self.held.clear()
        workers = [arena.worker(0), arena.worker(1)]
        for _ in range(turns):
            self.now += chance.randrange(S // 20)
            who = chance.randrange(2)
            match chance.randrange(6):
                case 0 | 1:
                    limits = bucket.LimitSet(chance.sample([*range(6), *range(7, 11)], chance.randrange(11)))
                    tokens, money = chance.randrange(90), chance.randrange(1 << 38)
                    output, until = chance.randrange(60), self.now + chance.randrange(S)
                    handle = workers[who].reserve(limits, 1, tokens, money, self.now, output, until)
                    seen.append(handle)
                    if handle >= 0:
                        self.held.append((who, handle))
                    else:
                        seen.append(workers[who].retry_after_ns(limits, -1 - handle, self.now))
                case 2 | 3 if self.held:
                    who, handle = self.held.pop(chance.randrange(len(self.held)))
                    tokens = chance.randrange(120)
                    workers[who].settle(handle, chance.randrange(2), tokens, tokens << 30, self.now, tokens // 3)
                case 4 if self.held:
                    who, handle = chance.choice(self.held)
                    call = bucket.Record()
                    call.request_id, call.provider, call.attempt = chance.randbytes(16), chance.getrandbits(64), 3
                    call.model, call.target_model = b"m" * chance.randrange(60), b"t" * chance.randrange(60)
                    workers[who].intend(handle, call, chance.randrange(50))
                    tokens, until = chance.randrange(50), self.now + S * chance.randrange(2)
                    workers[who].deliver(handle, tokens, chance.randrange(50), tokens // 2, until)
                case _:
                    workers[who].set_cooldown(6, self.now)
                    everything = bucket.LimitSet([*range(6), *range(7, 11)])
                    seen.append([workers[who].state_of(everything, i, self.now) for i in range(10)])
                    seen.append([workers[who].reserved(slot, self.now) for slot in range(7, 11)])
                    arena.add(chance.choice([1, 2, 3, 4, 7, 8, 9]), chance.randrange(3), self.now)
                    arena.renew(8, self.now, lambda after: after + 2 * S)
                    seen.append(workers[who].expire(self.now - S // 2))
                    self.held = [(w, h) for w, h in self.held if self.pending(arena, w, h)]
            seen.append([arena.used(slot, self.now) for slot in range(11)])
        for who, worker in enumerate(workers):
            worker.beat(self.now, 1, who, who + 5)
            worker.close()


def shared_bytes(path: Path, arena: Any) -> bytes:
    """The file without what cannot be equal: the clock at creation, processes, and the journals' old entries."""
    content = bytearray(path.read_bytes())
    content[8 * _layout.H_WALL_OFFSET : 8 * _layout.H_WALL_OFFSET + 8] = bytes(8)
    for worker in range(arena.geometry.cells):
        block = 8 * arena.geometry.block(worker)
        content[block + 8 * _layout.B_PID : block + 8 * _layout.B_PID + 8] = bytes(8)
        content[block + 8 * _layout.J_COUNT : block + 8 * _layout.BLOCK_WORDS] = bytes(8 * (_layout.BLOCK_WORDS - 9))
    return bytes(content)


@pytest.mark.parametrize("seed", range(12))
def test_same_operations_same_bytes_and_answers(tmp_path: Path, seed: int) -> None:
    outcomes = {}
    for name, bucket in BUCKETS.items():
        path = tmp_path / name
        arena = bucket.Arena.create(str(path), workers=2, capacity=64, reservations=16)
        define(bucket, arena)
        script = Script(seed)
        script.run(bucket, arena, 250)
        outcomes[name] = (script.seen, shared_bytes(path, arena))
        arena.close()
    reference, _ = outcomes["py"]
    for name, (seen, content) in outcomes.items():
        assert seen == reference, f"{name} answers differently"
        assert content == outcomes["py"][1], f"{name} writes other bytes"


@pytest.mark.parametrize("seed", range(4))
def test_each_takes_over_from_the_other(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn by turn on one file, against one twin doing it all alone."""
    # Posting what a crashed worker left charges GCRA words at the clock's time.
    monkeypatch.setattr(time, "monotonic_ns", lambda: NOW)
    seen = []
    for order in (list(BUCKETS.values()) * 2, [BUCKETS["py"]] * len(BUCKETS) * 2):
        path = tmp_path / f"arena-{len(seen)}"
        first = order[0].Arena.create(str(path), workers=2, capacity=64, reservations=16)
        define(order[0], first)
        first.close()
        script = Script(seed)
        for bucket in order:
            arena = bucket.Arena.attach(str(path))
            script.run(bucket, arena, 60)
            arena.close()
        seen.append(script.seen)
    assert seen[0] == seen[1]


def test_words_lie_where_they_may(tmp_path: Path) -> None:
    for workers in (1, 2, 7, 8, 64):
        geometry = _layout.Geometry(workers, 64, 100)
        assert geometry.first_segment * 8 % _layout.PAGE == 0
        assert geometry.limit_words % _layout.LINE == 0, "every limit begins a cache line"
        assert geometry.limit_words >= _layout.LINE + 2 * (workers + 1)
        assert geometry.block(workers + 1) == geometry.states(0)
        assert geometry.states(workers) <= geometry.first_segment
    assert all(
        module.MAX_LIMITS == _layout.MAX_LIMITS and module.HEALTH == _layout.HEALTH for module in BUCKETS.values()
    )

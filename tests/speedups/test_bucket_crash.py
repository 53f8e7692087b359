"""kill -9 at any moment: nothing acknowledged is lost, nothing is counted twice, gauges return to nothing."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.speedups.children import kill, start, wait

S = 10**9
ROUNDS = int(os.environ.get("MICROGATE_TEST_KILLS", "25"))
SIZES = {"workers": 2, "capacity": 64, "reservations": 16}

# Slots: private to the worker that is killed, then shared with one that lives.
TOKENS, MONEY, ROLLING, GAUGE, SHARED, GCRA, GCRA_TOKENS = range(7)


def define(bucket: ModuleType, arena: Any) -> None:
    huge, long = 1 << 35, 10**7 * S
    arena.define(TOKENS, 1, bucket.WINDOW, huge, long, unit=bucket.TOKENS)
    arena.define(MONEY, 2, bucket.MONEY, 1 << 60, 0)
    arena.define(ROLLING, 3, bucket.ROLLING, huge, long, unit=bucket.TOKENS)
    arena.define(GAUGE, 4, bucket.GAUGE, 30, 0)
    arena.define(SHARED, 5, bucket.WINDOW, huge, long)
    arena.define(GCRA, 6, bucket.GCRA, 10**9, S)
    arena.define(GCRA_TOKENS, 7, bucket.GCRA, 1 << 40, S, unit=bucket.TOKENS)


class Notes:
    """What a worker acknowledged, in memory that outlives it."""

    IDLE, RESERVING, RESERVED, DELIVERING, SETTLING = range(5)

    def __init__(self) -> None:
        self.mapping = mmap.mmap(-1, 4096)
        self.words = memoryview(self.mapping).cast("q")

    state = property(lambda self: self.words[0], lambda self, value: self.words.__setitem__(0, value))
    requests = property(lambda self: self.words[1], lambda self, value: self.words.__setitem__(1, value))
    tokens = property(lambda self: self.words[2], lambda self, value: self.words.__setitem__(2, value))
    money = property(lambda self: self.words[3], lambda self, value: self.words.__setitem__(3, value))
    delivered = property(lambda self: self.words[4], lambda self, value: self.words.__setitem__(4, value))
    coming = property(lambda self: self.words[5], lambda self, value: self.words.__setitem__(5, value))

    def close(self) -> None:
        self.words.release()
        self.mapping.close()

    def possible(self) -> set[tuple[int, int]]:
        """(requests, tokens) that the arena may hold beyond what is acknowledged, by what was being done."""
        match self.state:
            case Notes.RESERVING:
                return {(0, 0), (1, 0)}
            case Notes.RESERVED:
                return {(1, self.delivered)}
            case Notes.DELIVERING | Notes.SETTLING:
                return {(1, self.delivered), (1, self.coming)}
        return {(0, 0)}


@pytest.fixture
def notes() -> Iterator[Notes]:
    made = Notes()
    yield made
    made.close()


def serve(bucket: ModuleType, path: str, index: int, slots: list[int], notes: Notes) -> None:
    """Reserve, deliver, settle for ever; money is ten times the tokens."""
    arena = bucket.Arena.attach(path)
    worker, limits = arena.worker(index), bucket.LimitSet(slots)
    true = random.Random(os.getpid())
    while True:
        now = time.monotonic_ns()
        notes.state = Notes.RESERVING
        handle = worker.reserve(limits, 1, 100, 1000, now)
        if handle < 0:
            notes.state = Notes.IDLE
            continue
        notes.delivered = 0
        notes.state = Notes.RESERVED
        for _ in range(true.randrange(3)):
            notes.coming = notes.delivered + true.randrange(40)
            notes.state = Notes.DELIVERING
            worker.deliver(handle, notes.coming, 10 * notes.coming)
            notes.delivered = notes.coming
            notes.state = Notes.RESERVED
        notes.coming = notes.delivered + true.randrange(100)
        notes.state = Notes.SETTLING
        worker.settle(handle, 1, notes.coming, 10 * notes.coming, now)
        notes.tokens += notes.coming
        # One store says that it is done: state and count in one would need another journal, so the order is the proof.
        notes.requests += 1
        notes.state = Notes.IDLE


def kill_often(bucket: ModuleType, path: str, notes: Notes, arena: Any, rounds: int) -> int:
    """Kill worker 0 again and again and compare; returns how often it died inside an operation."""
    chance, inside = random.Random(7), 0
    slots = [TOKENS, SHARED, MONEY, GCRA, ROLLING, GAUGE, GCRA_TOKENS]
    for _ in range(rounds):
        before = notes.requests
        notes.state = Notes.IDLE
        pid = start(lambda: serve(bucket, path, 0, slots, notes))
        while notes.requests < before + 3:
            time.sleep(0)
        time.sleep(chance.random() * 0.003)
        kill(pid)
        # Killed between its two acknowledgements: the settlement is whole.
        inside += notes.state not in (Notes.IDLE, Notes.RESERVED)
        now = time.monotonic_ns()
        arena.replay(0)
        tokens = arena.used(TOKENS, now)
        extra = {(more, notes.tokens + tokens_more) for more, tokens_more in notes.possible()}
        acknowledged_late = notes.state == Notes.SETTLING
        assert tokens in {total for _, total in extra} or (acknowledged_late and tokens == notes.tokens), (
            notes.state, tokens, notes.tokens, extra,
        )  # fmt: skip
        assert arena.used(ROLLING, now) == tokens
        # Money is delivered in a second store: killed in between, it is what had been delivered before.
        money = arena.used(MONEY, now)
        assert money == 10 * tokens or (
            notes.state == Notes.DELIVERING and money == 10 * (notes.tokens + notes.delivered)
        ), (notes.state, money, tokens)
        assert arena.pending(0) == 0
        # Go on from what is there.
        arena.add(MONEY, 10 * tokens - money, now)
        notes.tokens = tokens
    return inside


def test_killed_worker_loses_and_doubles_nothing(bucket: ModuleType, tmp_path: Path, notes: Notes) -> None:
    path = str(tmp_path / "arena")
    arena = bucket.Arena.create(path, **SIZES)
    define(bucket, arena)
    other = Notes()
    bystander = start(lambda: serve(bucket, path, 1, [SHARED, GAUGE], other))
    try:
        kill_often(bucket, path, notes, arena, ROUNDS)
    finally:
        kill(bystander)
    arena.replay(1)
    now = time.monotonic_ns()
    assert arena.used(GAUGE, now) == 0
    assert arena.pending() == 0
    assert other.requests > 0
    # Every kill may have left one request on the way, posted by replay.
    assert 0 <= arena.used(SHARED, now) - notes.requests - other.requests <= ROUNDS + 1
    assert arena.used(GCRA_TOKENS, now + S) == 0, "nothing stays held"
    other.close()
    arena.close()


def test_killed_while_refused_reservations_roll_back(bucket: ModuleType, tmp_path: Path) -> None:
    """Two workers race for one place; whoever sees the other's tentative cell takes back what it took elsewhere."""
    path = str(tmp_path / "arena")
    arena = bucket.Arena.create(path, **SIZES)
    arena.define(0, 1, bucket.MONEY, 1 << 60, 0)
    arena.define(1, 2, bucket.GAUGE, 1, 0)

    def race(index: int) -> Callable[[], None]:
        def work() -> None:
            mine = bucket.Arena.attach(path)
            worker, limits = mine.worker(index), bucket.LimitSet([0, 1])
            while True:
                handle = worker.reserve(limits, 1, 0, 5, 1)
                if handle >= 0:
                    worker.settle(handle, 0, 0, 0, 1)

        return work

    chance = random.Random(3)
    survivor = start(race(1))
    try:
        for _ in range(ROUNDS):
            pid = start(race(0))
            while arena.status(0)[1] != pid:
                time.sleep(0)
            time.sleep(chance.random() * 0.004)
            kill(pid)
            arena.replay(0)
            assert arena.pending(0) == 0
    finally:
        kill(survivor)
    arena.replay(1)
    assert arena.used(0, 1) == arena.used(1, 1) == 0
    arena.close()


class Died(BaseException):
    """Stands for kill -9 at one store."""


def dying(bucket: ModuleType) -> type:
    """An arena whose slow side dies before its nth store."""

    class DyingArena(bucket.Arena):  # type: ignore[name-defined,misc]
        left = -1

        def _put(self, words: Any, at: int, value: int) -> None:
            if self.left == 0:
                raise Died
            self.left -= 1
            words[at] = value

    return DyingArena


def crashed_arena(bucket: ModuleType, path: Path) -> list[int]:
    """Files of an arena whose worker died with three reservations pending and a fourth being settled."""
    arena = dying(bucket).create(str(path), **SIZES)
    define(bucket, arena)
    worker, limits = arena.worker(0), bucket.LimitSet([TOKENS, MONEY, ROLLING, GAUGE, SHARED, GCRA_TOKENS])
    now = time.monotonic_ns()
    handles = [worker.reserve(limits, 1, 100, 1000, now) for _ in range(4)]
    for number, handle in enumerate(handles):
        worker.deliver(handle, 10 + number, 100 + number)
    # Settling the first is what its journal says, half applied: the slow side writes the same record.
    entries = arena.settlement(0, handles[0] & 0xFFFFFF, 1, 77, 0, 770)
    arena.left = 3 * len(entries) + 3 + 5
    with pytest.raises(Died):
        arena._redo(0, (handles[0] & 0xFFFFFF) << 8 | 2, entries, now)
    worker.close()
    arena.close()
    return [77 + 11 + 12 + 13, 770 + 101 + 102 + 103]


def test_replay_can_itself_be_killed_at_every_store(bucket: ModuleType, tmp_path: Path) -> None:
    tokens, money = crashed_arena(bucket, tmp_path / "crashed")
    stores = 0
    while True:
        shutil.copy(tmp_path / "crashed", tmp_path / "arena")
        arena = dying(bucket).attach(str(tmp_path / "arena"))
        arena.left = stores
        try:
            arena.replay(0)
            finished = True
        except Died:
            finished = False
        arena.close()
        arena = bucket.Arena.attach(str(tmp_path / "arena"))
        posted = arena.replay(0)
        now = time.monotonic_ns()
        assert [arena.used(slot, now) for slot in (TOKENS, MONEY, ROLLING, GAUGE, SHARED)] == [
            tokens,
            money,
            tokens,
            0,
            4,
        ]
        assert arena.pending() == 0
        arena.close()
        if finished:
            assert posted == 0
            break
        stores += 1
    assert stores > 60, "the replay was cut at every store"


class CountedWords:
    """Words that die before their nth store."""

    left = -1

    def __init__(self, words: memoryview) -> None:
        self.words = words

    @classmethod
    def put_under(cls, arena: Any, worker: Any, left: int) -> None:
        """From now on all stores of this worker are counted."""
        segment = arena.segments[0]
        segment.q, segment.u = cls(segment.q), cls(segment.u)
        arena.q = worker._q = segment.q
        worker._u = segment.u
        cls.left = left

    def __getitem__(self, at: Any) -> Any:
        return self.words[at]

    def __setitem__(self, at: int, value: int) -> None:
        if CountedWords.left == 0:
            raise Died
        CountedWords.left -= 1
        self.words[at] = value

    def release(self) -> None:
        self.words.release()


@pytest.mark.parametrize("ending", ["settled", "refused"])
def test_reservation_dies_at_every_store(tmp_path: Path, ending: str) -> None:
    """The pure twin alone: its stores can be counted. The compiled one makes the same stores in the same order
    (test_bucket_layout) and is killed at random above."""
    from _speedups import _bucket_py as bucket

    stores = 0
    while True:
        path = tmp_path / f"arena-{stores}"
        arena = bucket.Arena.create(str(path), **SIZES)
        define(bucket, arena)
        slots = [TOKENS, MONEY, ROLLING, GAUGE, SHARED, GCRA_TOKENS, GCRA]
        before = [10, 100, 10, 0, 1]
        now = time.monotonic_ns()
        worker, limits = arena.worker(0), bucket.LimitSet(slots)
        worker.settle(worker.reserve(limits, 1, 100, 1000, now), 1, 10, 100, now)
        CountedWords.put_under(arena, worker, stores)
        if ending == "refused":
            worker._arena.take = lambda *_: -1  # type: ignore[method-assign]
        step = "reserving"
        try:
            handle = worker.reserve(limits, 1, 100, 1000, now)
            if ending == "settled":
                step = "delivering"
                worker.deliver(handle, 40, 400)
                step = "settling"
                worker.settle(handle, 1, 70, 700, now)
            step = "done"
        except Died:
            pass
        CountedWords.left = -1
        worker.close()
        arena.close()
        arena = bucket.Arena.attach(str(path))
        arena.replay(0)
        used = [arena.used(slot, time.monotonic_ns()) for slot in (TOKENS, MONEY, ROLLING, GAUGE, SHARED)]
        plus = {
            "reserving": [(0, 0, 0), (0, 0, 1)], "delivering": [(0, 0, 1), (40, 0, 1), (40, 400, 1)],
            "settling": [(40, 400, 1), (70, 700, 1)], "done": [(70, 700, 1)] if ending == "settled" else [(0, 0, 0)],
        }[step]  # fmt: skip
        assert used in [[before[0] + t, before[1] + m, before[2] + t, 0, before[4] + r] for t, m, r in plus], (
            step,
            stores,
        )
        assert arena.pending() == 0
        arena.close()
        path.unlink()
        if step == "done":
            break
        stores += 1
    assert stores > 20


def test_a_definition_killed_half_way_is_completed_by_the_next(bucket: ModuleType, tmp_path: Path) -> None:
    """Until then the limit refuses everything; what had been spent is still there afterwards."""
    stores = 0
    while True:
        path = tmp_path / f"arena-{stores}"
        arena = dying(bucket).create(str(path), **SIZES)
        long = 10**7 * S
        arena.define(0, 1, bucket.WINDOW, 100, long)
        arena.define(1, 2, bucket.ROLLING, 100, long)
        worker, limits = arena.worker(0), [bucket.LimitSet([0]), bucket.LimitSet([1])]
        now = time.monotonic_ns()
        for one in limits:
            worker.settle(worker.reserve(one, 60, 0, 0, now), 60, 0, 0, now)
        arena.left = stores
        try:
            arena.define(0, 1, bucket.WINDOW, 90, 2 * long)
            arena.define(1, 2, bucket.ROLLING, 90, 2 * long)
            finished = True
        except Died:
            finished = False
        arena.left = -1
        assert all(worker.reserve(one, 50, 0, 0, time.monotonic_ns()) == -1 for one in limits)
        arena.define(0, 1, bucket.WINDOW, 90, 2 * long)
        arena.define(1, 2, bucket.ROLLING, 90, 2 * long)
        now = time.monotonic_ns()
        assert [arena.used(slot, now) for slot in (0, 1)] == [60, 60], stores
        assert worker.reserve(limits[0], 30, 0, 0, now) >= 0
        worker.close()
        arena.close()
        path.unlink()
        if finished:
            break
        stores += 1
    assert stores > 8


def a_call(bucket: ModuleType, number: int) -> Any:
    call = bucket.Record()
    call.request_id, call.started_ns = number.to_bytes(16, "big"), 10**18 + number
    call.virtual_key, call.team, call.customer = 2**64 - 1, 2, 3
    call.provider, call.provider_key, call.route = 2**63, 5, 6
    call.attempt, call.operation, call.dialect, call.kind, call.stream = 7, 8, 9, 2, 1
    call.flags, call.model, call.target_model = 1024, b"m" * 60, b"target"
    return call


def test_who_replays_is_told_of_the_calls_that_went_out(bucket: ModuleType, tmp_path: Path) -> None:
    arena = bucket.Arena.create(str(tmp_path / "arena"), **SIZES)
    define(bucket, arena)
    worker, limits, now = arena.worker(0), bucket.LimitSet([MONEY]), time.monotonic_ns()
    settled, sent, withdrawn, unsent = (worker.reserve(limits, 1, 100, 1000, now) for _ in range(4))
    for number, handle in enumerate((settled, sent, withdrawn)):
        worker.intend(handle, a_call(bucket, number), 30)
        worker.deliver(handle, 10, 100, 4)
    worker.settle(settled, 1, 10, 100, now)
    worker.withdraw(withdrawn)
    again = worker.reserve(limits, 1, 100, 1000, now)
    with pytest.raises(ValueError, match="not pending"):
        worker.intend(settled, a_call(bucket, 9))
    worker.close()
    calls: list[Any] = []
    assert arena.replay(0, calls.append) == 4
    assert arena.replay(0, calls.append) == 0
    assert {unsent, again}.isdisjoint({sent})
    assert [call._asdict() for call in calls] == [
        {
            "request_id": (1).to_bytes(16, "big"), "started_ns": 10**18 + 1, "virtual_key": 2**64 - 1, "team": 2,
            "customer": 3, "provider": 2**63, "provider_key": 5, "route": 6, "attempt": 7, "operation": 8, "dialect": 9,
            "kind": 2, "stream": 1, "flags": 1024, "model": b"m" * 48, "target_model": b"target", "prompt_tokens": 6,
            "completion_tokens": 4, "cost_nanodollars": 70,
        }
    ]  # fmt: skip
    arena.close()


def test_a_call_is_told_of_before_it_is_posted(bucket: ModuleType, tmp_path: Path) -> None:
    arena = bucket.Arena.create(str(tmp_path / "arena"), **SIZES)
    define(bucket, arena)
    worker = arena.worker(0)
    handle = worker.reserve(bucket.LimitSet([MONEY]), 1, 100, 1000, time.monotonic_ns())
    worker.intend(handle, a_call(bucket, 1))
    worker.deliver(handle, 10, 100)
    worker.close()

    def killed(_: Any) -> None:
        raise Died

    with pytest.raises(Died):
        arena.replay(0, killed)
    calls: list[Any] = []
    assert arena.replay(0, calls.append) == 1
    assert [call.cost_nanodollars for call in calls] == [100]
    assert arena.used(MONEY, time.monotonic_ns()) == 100
    arena.close()


def test_a_place_has_one_owner(bucket: ModuleType, tmp_path: Path) -> None:
    arena = bucket.Arena.create(str(tmp_path / "arena"), **SIZES)
    worker = arena.worker(1)
    assert worker.index == 1
    assert worker.epoch == 1
    with pytest.raises(BlockingIOError):
        arena.worker(1)
    with pytest.raises(BlockingIOError):
        arena.replay(1)
    with pytest.raises(IndexError):
        arena.worker(2)

    def work() -> None:
        mine = bucket.Arena.attach(str(tmp_path / "arena"))
        with pytest.raises(BlockingIOError):
            mine.worker(1)
        assert mine.worker(0).epoch == 1

    assert wait(start(work)) == 0
    worker.close()
    again = arena.worker(1)
    assert again.epoch == 2
    again.beat(123, 1, 7, 9)
    assert arena.status(1) == (2, os.getpid(), 123, 1, 7)
    assert [arena.connections(who) for who in (0, 1)] == [0, 9]
    with pytest.raises(IndexError):
        arena.status(2)
    with pytest.raises(IndexError):
        arena.connections(2)
    again.close()
    arena.close()

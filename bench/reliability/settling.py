"""What is told more than once, late, or by several at the same time counts once: in the arena and in the ledger."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from _speedups._bucket import MONEY, Arena, LimitSet, Record
from bench.reliability.figures import Outcome, figure
from gateway.control.migrate import upgrade
from gateway.processes import left_behind
from gateway.processes.paths import Paths
from gateway.records import Kind
from gateway.stores.ledger import LedgerRow, UsageQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.urls import open_database, sqlite_url
from tests.stores.ledger_rows import entry

_SAME = "UPDATE ledger SET request_id = (SELECT request_id FROM ledger WHERE id = 1) WHERE id = ?"
THREADS = 4
S = 10**9


@figure("G6", guard="tests/control/test_left_behind.py")
def once(quick: bool) -> Outcome:
    """Rows of attempts are posted twice, late, and by four threads at once; reservations are settled by their request,
    once more, after they expired, and after their worker's death."""
    attempts = 2_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as folder:
        posted, rows, money, refused = _in_the_ledger(str(Path(folder) / "control.db"), attempts)
    wrong, tried, counted = _in_the_arena(2_000 if quick else 100_000)
    values = {
        "attempts": attempts,
        "rows posted for them": posted,
        "rows in the ledger": rows,
        "ledger minus their cost, nano-dollars": money - sum(1000 + n for n in range(attempts)),
        "rows made a second one of another attempt, refused by the database": refused,
        "reservations": counted,
        "settlements of these": tried,
        "reservations counted otherwise than once": wrong,
    }
    kept = rows == attempts and money == sum(1000 + n for n in range(attempts)) and refused == 100 and not wrong
    return Outcome(values, kept)


def _in_the_ledger(path: str, attempts: int) -> tuple[int, int, int, int]:
    """Rows posted, rows there, their sum, changes that the database itself refused."""
    upgrade(sqlite_url(path))
    database = open_database(sqlite_url(path))
    ledger, lock, posted = SqlLedger(database), threading.Lock(), 0

    def post(seed: int) -> None:
        nonlocal posted
        chance = random.Random(seed)
        mine = list(range(attempts))
        # Each thread tells of everything, near its own time and again much later; batches overlap.
        for at in range(0, attempts, 200):
            batch: list[LedgerRow] = [entry(number) for number in mine[at : at + 250]]
            batch += [entry(chance.randrange(at + 1)) for _ in range(20)]
            chance.shuffle(batch)
            ledger.post(batch)
            with lock:
                posted += len(batch)

    threads = [threading.Thread(target=post, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [usage] = ledger.usage(UsageQuery())
    database.close()
    refused = 0
    with contextlib.closing(sqlite3.connect(path)) as direct:
        for row in range(2, 102):
            with contextlib.suppress(sqlite3.IntegrityError):
                direct.execute(_SAME, (row,))
                continue
            refused += 1
    return posted, usage.attempts, usage.cost_nanodollars, refused


def _in_the_arena(rounds: int) -> tuple[int, int, int]:
    """Reservations counted otherwise than once, settlements tried, reservations."""
    chance, wrong, tried = random.Random(6), 0, 0
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as folder:
        paths = Paths(str(Path(folder) / "data"))
        paths.create()
        arena = Arena.create(paths.arena, workers=1, capacity=64, reservations=64)
        arena.define(0, 1, MONEY, 1 << 60, 0)
        limits, now, expected = LimitSet([0]), time.monotonic_ns(), 0
        worker = arena.worker(0)
        for number in range(rounds):
            handle = worker.reserve(limits, 1, 10, 1000, now, 0, now + S)
            call = Record()
            call.request_id, call.provider = number.to_bytes(16, "big"), 7
            call.kind, call.attempt = int(Kind.EXCHANGE), 1
            worker.intend(handle, call)
            worker.deliver(handle, 5, 300)
            ending = chance.randrange(200)
            if ending == 0:
                # Its worker dies: whoever replays settles, and replays again.
                worker.close()
                left_behind.post(arena, paths, 0)
                left_behind.post(arena, paths, 0)
                tried += 2
                expected += 300
                worker = arena.worker(0)
            elif ending < 50:
                # It expires, and then its request ends after all.
                worker.expire(now + 2 * S)
                tried += 1
                expected += 300
            else:
                worker.settle(handle, 1, 7, 700, now)
                tried += 1
                expected += 700
            for _ in range(2):
                tried += 1
                with contextlib.suppress(ValueError):
                    worker.settle(handle, 1, 9, 900, now)
                    wrong += 1
            if arena.used(0, now) != expected:
                wrong += 1
                expected = arena.used(0, now)
        worker.close()
        arena.close()
        for path in Path(paths.runtime_dir).iterdir():
            path.unlink()
        Path(paths.runtime_dir).rmdir()
    return wrong, tried, rounds


__all__ = ["once"]

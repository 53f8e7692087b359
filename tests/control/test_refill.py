"""A new arena counts what the ledger says was spent in the periods that still run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from _speedups._bucket import ROLLING, Arena, LimitSet
from gateway.config.loader import loads
from gateway.control import refill as module
from gateway.control.refill import refill
from gateway.control.trail import signed
from gateway.records import Kind
from gateway.snapshot.build import _SlotBook
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import Plan, plan
from gateway.stores.ledger import CORRECTION, LedgerRow, Line, Spent, spent_by
from tests.stores.ledger_rows import entry

DAY_US = 86_400_000_000
KOLKATA = "time_zone: Asia/Kolkata"
SPANS = (
    "{per: 90m}", "{per: 6h, window: rolling}", "{per: 30d, window: rolling}", "{per: day}",
    f"{{per: month, {KOLKATA}}}", "{per: year}", f"{{per: hour, {KOLKATA}}}", "{}",
)  # fmt: skip


def several(what: str) -> str:
    spans = [span[1:-1] for span in SPANS if what == "usd" or span != "{}"]
    figure = 30 if what == "usd" else 10**9
    return "[" + ", ".join(f"{{{what}: {figure}{', ' if span else ''}{span}}}" for span in spans) + "]"


FILE = f"""
providers:
  a: {{dialect: openai_chat, base_url: 'http://127.0.0.1:1', keys: [{{name: k, value: v}}]}}
  b: {{dialect: openai_chat, base_url: 'http://127.0.0.1:2', keys: [{{name: k, value: v}}]}}
customers: {{acme: {{budgets: {several("usd")}}}}}
teams: {{team: {{customer: acme, limits: {several("requests")}}}}}
virtual_keys:
  - {{name: one, value: sk-0123456789012345678901, team: team, limits: {several("tokens")}}}
  - {{name: two, value: sk-0123456789012345678902, team: team, limits: [{{concurrency: 3}},
      {{requests: 5, per: 1m, window: smooth}}]}}
  - {{name: three, value: sk-0123456789012345678903, limits: {several("input_tokens")},
     providers: [{{provider: a, limits: {several("requests")}}}, {{provider: b, budgets: {several("usd")}}}]}}
  - {{name: four, value: sk-0123456789012345678904, budgets: {several("usd")}}}
"""
KEYS = [signed(id_hash(f"file:virtual_key/{name}")) for name in ("one", "two", "three", "four")]
TEAM, ACME = signed(id_hash("file:team/team")), signed(id_hash("file:customer/acme"))
PROVIDERS = [signed(id_hash(f"file:provider/{name}")) for name in ("a", "b")]


class Rows:
    """A ledger as far as it is asked here; what SQL makes of it is in the stores' contract."""

    def __init__(self, rows: Sequence[LedgerRow]) -> None:
        self.rows = rows

    def spent(self, base_ns: int, part_ns: int = 1 << 62, until_us: int | None = None) -> list[Spent]:
        return [
            spent_by(row, base_ns, part_ns)
            for row in self.rows
            if row.line != Line.SHADOW
            and row.started_us * 1000 >= base_ns
            and (until_us is None or row.started_us < until_us)
        ]

    def find(self, request_ids: Sequence[bytes]) -> list[LedgerRow]:
        return [row for row in self.rows if row.request_id in request_ids]


@pytest.fixture
def made() -> Plan:
    return plan(loads(FILE, "f.yaml", {}).config, b"p" * 32)


@pytest.fixture
def arena(tmp_path: Path, made: Plan) -> Iterator[Arena]:
    found = Arena.create(str(tmp_path / "arena"), workers=2, capacity=256, reservations=16)
    slots = _SlotBook(found)
    for key in made.keys:
        for limit in key.limits:
            slots.of_limit(limit)
    yield found
    found.close()


def lot(now_us: int) -> list[LedgerRow]:
    draw, rows = random.Random(3), []
    for number in range(600):
        key = draw.randrange(4)
        last = draw.random() < 0.8
        owned = {"team": TEAM, "customer": ACME} if key < 2 else {}
        fields: dict[str, Any] = {
            "virtual_key": KEYS[key],
            "provider": draw.choice(PROVIDERS),
            "kind": int(Kind.EXCHANGE if last else Kind.ATTEMPT),
            "started_us": now_us - int(400 * DAY_US * draw.random() ** 6),
            "prompt_tokens": draw.randrange(1000),
            "completion_tokens": draw.randrange(1000),
            "cost_nanodollars": draw.randrange(10**6),
            **owned,
        }
        if number % 20 == 0:
            fields |= {"line": int(Line.SHADOW), "kind": int(Kind.SHADOW)}
        elif number % 31 == 0:
            fields |= {"line": int(Line.CORRECTION), "kind": CORRECTION, "cost_nanodollars": 77}
        rows.append(entry(number, **fields))
    return rows


def figures(arena: Arena, made: Plan, now_ns: int) -> dict[str, list[int]]:
    """Key's name -> what its limits have used, in their order."""
    names = dict(zip(KEYS, ("one", "two", "three", "four"), strict=True))
    return {
        names[signed(key.id_hash)]: [arena.used(arena.find(limit.id_hash), now_ns) for limit in key.limits]
        for key in made.keys
    }


def stopped(patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Both clocks as they are from now on: no period ends while it is looked at."""
    now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
    patch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: now_ns, time_ns=lambda: wall_ns))
    return now_ns, wall_ns


def starts(now_ns: int, wall_ns: int) -> list[int]:
    """When the periods of ``SPANS`` began, in microseconds of the wall clock, found without any calendar's help."""
    now_s = wall_ns / 1e9
    india = time.gmtime(now_s + 19800)
    minutes = int(now_s) // 60
    rolling = [
        ((now_ns // part - 59) * part + wall_ns - now_ns) // 1000
        for part in (-(-6 * 3600 * 10**9 // 59), -(-30 * 86400 * 10**9 // 59))
    ]
    day = int(now_s) // 86400 * 86400
    month = (int(now_s) + 19800) // 86400 * 86400 - (india.tm_mday - 1) * 86400 - 19800
    year = day - (time.gmtime(now_s).tm_yday - 1) * 86400
    hour = (minutes - (minutes + 30) % 60) * 60
    fixed = [int(now_s) // 5400 * 5400, *rolling, day, month, year, hour, 0]
    return [fixed[0] * 10**6, *rolling, *(each * 10**6 for each in (day, month, year, hour, 0))]


def expected(rows: Sequence[LedgerRow], since: Sequence[int]) -> dict[str, list[int]]:
    def sums(of: Any, amount: Any) -> list[int]:
        counted = [row for row in rows if row.line != Line.SHADOW and of(row)]
        return [sum(amount(row) for row in counted if row.started_us >= each) for each in since]

    def whole(row: LedgerRow) -> int:
        return int(row.kind == Kind.EXCHANGE)

    def told(row: LedgerRow) -> int:
        return int(row.kind in (Kind.EXCHANGE, CORRECTION))

    def cost(row: LedgerRow) -> int:
        return row.cost_nanodollars

    team = sums(lambda row: row.team == TEAM, whole)[:-1]
    acme = sums(lambda row: row.customer == ACME, cost)
    one = sums(lambda r: r.virtual_key == KEYS[0], lambda r: (r.prompt_tokens + r.completion_tokens) * told(r))[:-1]
    three = sums(lambda r: r.virtual_key == KEYS[2], lambda r: r.prompt_tokens * told(r))[:-1]
    there_a = sums(lambda r: (r.virtual_key, r.provider) == (KEYS[2], PROVIDERS[0]), lambda r: int(r.line == 0))[:-1]
    there_b = sums(lambda r: (r.virtual_key, r.provider) == (KEYS[2], PROVIDERS[1]), cost)
    return {
        "one": one + team + acme,
        "two": [0, 0, *team, *acme],
        "three": three + there_a + there_b,
        "four": sums(lambda row: row.virtual_key == KEYS[3], cost),
    }


def test_every_limit_counts_what_its_period_has_used(arena: Arena, made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, wall_ns = stopped(monkeypatch)
    rows = lot(wall_ns // 1000)
    filled = refill(arena, made, Rows(rows))  # type: ignore[arg-type]
    assert figures(arena, made, now_ns) == expected(rows, starts(now_ns, wall_ns))
    assert filled > 40
    # As the workers see it.
    worker = arena.worker(0)
    [limit] = [limit for limit in made.keys[3].limits if not limit.period_ns]
    slot = arena.find(limit.id_hash)
    left = limit.limit - arena.used(slot, now_ns)
    assert worker.reserve(LimitSet([slot]), 1, 0, left + 1, now_ns) == -1
    assert worker.reserve(LimitSet([slot]), 1, 0, left, now_ns) >= 0
    worker.close()


def test_rows_that_wait_count_once_and_later_ones_not_at_all(
    arena: Arena, made: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns, wall_ns = stopped(monkeypatch)
    rows = lot(wall_ns // 1000)
    until_us = wall_ns // 1000 - DAY_US // 48
    refill(arena, made, Rows(rows[:400]), waiting=[*rows[300:], *rows[500:]], until_us=until_us)  # type: ignore[arg-type]
    told = [row for row in rows if row.started_us < until_us]
    assert figures(arena, made, now_ns) == expected(told, starts(now_ns, wall_ns))


def test_what_rolls_rolls_on_after_a_reboot(arena: Arena, made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that limits go by has just begun, what was spent lies before its beginning."""
    up_ns, wall_ns = 40 * 10**9, time.time_ns()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: up_ns, time_ns=lambda: wall_ns))
    rows = lot(wall_ns // 1000)
    refill(arena, made, Rows(rows))  # type: ignore[arg-type]
    for limit in made.keys[3].limits:
        if limit.kind != ROLLING:
            continue
        part = -(-limit.period_ns // 59)
        for later in (0, 1, 30, 59, 60):
            at_ns = up_ns + later * part
            first = at_ns // part - 59
            counted = [
                row.cost_nanodollars
                for row in rows
                if row.virtual_key == KEYS[3]
                and row.line != Line.SHADOW
                and (row.started_us * 1000 - wall_ns + up_ns) // part >= first
            ]
            assert arena.used(arena.find(limit.id_hash), at_ns) == sum(counted), (limit, later)

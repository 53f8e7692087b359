"""What every ledger does, whoever keeps the bytes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.records import Flags, Kind, UsageSource
from gateway.stores import sql_ledger
from gateway.stores.database import Database
from gateway.stores.ledger import CORRECTION, Dimension, LedgerRow, Line, Spent, UsageQuery, spent_by
from gateway.stores.protocols import LedgerStore
from gateway.stores.sql_ledger import GROUP, SqlLedger
from tests.stores.ledger_rows import DAY_US, entry


def everything(ledger: LedgerStore, **query: object) -> list[LedgerRow]:
    """All rows, page by page."""
    found: list[LedgerRow] = []
    after = 0
    while page := ledger.rows(UsageQuery(**query), after=after, limit=7):  # type: ignore[arg-type]
        found += [row for _, row in page]
        after = page[-1][0]
    return found


def cost(ledger: LedgerStore, *by: Dimension, **query: object) -> dict[tuple[int | str, ...], int]:
    return {usage.by: usage.cost_nanodollars for usage in ledger.usage(UsageQuery(by=by, **query))}  # type: ignore[arg-type]


def test_rows_come_back_whole_and_in_order(ledger: LedgerStore) -> None:
    fields = {name: 100 + place for place, name in enumerate(LedgerRow._fields) if name not in ("request_id", "line")}
    rows = [entry(1, **{**fields, "model": "ü 量", "target_model": "'; --"}), entry(0, cost_nanodollars=-5)]
    rows.append(entry(3, virtual_key=-(1 << 63), team=(1 << 63) - 1, cost_nanodollars=(1 << 62)))
    assert ledger.post(rows) == 3
    assert everything(ledger) == rows
    assert ledger.find([rows[2].request_id, rows[0].request_id, b"?" * 16]) == [rows[0], rows[2]]
    assert ledger.find([]) == []


def test_a_name_with_a_character_0_does_not_keep_its_row_out(ledger: LedgerStore) -> None:
    assert ledger.post([entry(1, model="a\0b"), entry(2)]) == 2
    assert everything(ledger)[0].model in ("a\0b", "a\ufffdb")
    assert ledger.post([entry(1, model="a\0b")]) == 0


@pytest.mark.parametrize("count", [0, 1, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP + 3])
def test_however_many_rows_are_posted_all_are_there(ledger: LedgerStore, count: int) -> None:
    rows = [entry(number) for number in range(count)]
    assert ledger.post(rows) == count
    assert everything(ledger) == rows


def test_what_is_there_already_is_left_out(ledger: LedgerStore, open_control: Callable[[], Database]) -> None:
    first = [entry(number) for number in range(20)]
    assert ledger.post(first) == 20
    assert ledger.post(first) == 0
    changed = [entry(number, cost_nanodollars=77) for number in range(10, 45)]
    assert ledger.post(changed) == 25
    assert SqlLedger(open_control()).post(first + changed) == 0
    assert everything(ledger) == first + changed[10:]


def test_twice_in_one_batch_is_once_in_the_ledger(ledger: LedgerStore) -> None:
    assert ledger.post([entry(1), entry(1), entry(2)]) == 2


def test_attempts_shadows_and_corrections_of_a_request_are_rows_of_their_own(ledger: LedgerStore) -> None:
    rows = [
        entry(1, attempt=1, kind=int(Kind.ATTEMPT)),
        entry(1, attempt=2),
        entry(1, attempt=1, line=int(Line.SHADOW), kind=int(Kind.SHADOW)),
        entry(1, attempt=2, line=int(Line.CORRECTION), kind=CORRECTION, cost_nanodollars=-400, prompt_tokens=-1,
              completion_tokens=0),
        entry(1, attempt=2, line=int(Line.CORRECTION) + 1, kind=CORRECTION, cost_nanodollars=3, prompt_tokens=0,
              completion_tokens=0),
    ]  # fmt: skip
    assert ledger.post(rows) == 5
    [usage] = ledger.usage(UsageQuery())
    assert (usage.requests, usage.attempts) == (1, 3)
    assert usage.cost_nanodollars == 3 * 1001 - 400 + 3
    assert (usage.prompt_tokens, usage.completion_tokens) == (29, 60)
    [usage] = ledger.usage(UsageQuery(shadows=False))
    assert (usage.requests, usage.attempts, usage.cost_nanodollars) == (1, 2, 2 * 1001 - 397)


def test_a_refused_batch_leaves_nothing_behind(ledger: LedgerStore) -> None:
    with pytest.raises((ValueError, OverflowError)):
        ledger.post([*(entry(number) for number in range(GROUP)), entry(99, provider=1 << 70)])
    assert everything(ledger) == []


def test_an_empty_ledger_has_one_empty_sum_and_no_groups(ledger: LedgerStore) -> None:
    [usage] = ledger.usage(UsageQuery())
    assert (usage.by, usage.attempts, usage.cost_nanodollars, usage.estimated) == ((), 0, 0, 0)
    assert ledger.usage(UsageQuery(by=("model",))) == []
    assert ledger.spent(0) == []


def test_sums_by_every_dimension(ledger: LedgerStore) -> None:
    columns: tuple[Dimension, ...] = (
        "virtual_key", "team", "customer", "provider", "provider_key", "route", "model", "target_model", "operation",
        "outcome", "usage_source",
    )  # fmt: skip
    for place, name in enumerate(columns):
        values: tuple[object, object] = ("a", "b") if "model" in name else (5, -6)
        ledger.post([entry(100 * place + number, **{name: values[number % 2]}) for number in range(6)])
    for place, name in enumerate(columns):
        found = cost(ledger, name)
        odd = 3 * 1000 + sum(100 * place + number for number in (1, 3, 5))
        assert found["b" if "model" in name else -6,] == odd
        assert sum(found.values()) == cost(ledger)[()]


def test_sums_by_time(ledger: LedgerStore) -> None:
    hour_us = DAY_US // 24
    # 2026-02-28T22:00Z, an hour a row, over the end of a month.
    start = 1_772_316_000_000_000
    ledger.post([entry(number, started_us=start + number * hour_us, cost_nanodollars=1) for number in range(30)])
    assert cost(ledger, "day") == {("2026-02-28",): 2, ("2026-03-01",): 24, ("2026-03-02",): 4}
    assert cost(ledger, "month") == {("2026-02",): 2, ("2026-03",): 28}
    assert cost(ledger, "hour")["2026-03-01T00",] == 1
    assert len(cost(ledger, "hour")) == 30
    assert cost(ledger, "month", "provider") == {("2026-02", 7): 2, ("2026-03", 7): 28}
    since, until = start + 2 * hour_us, start + 3 * hour_us
    assert cost(ledger, "hour", since_us=since, until_us=until) == {("2026-03-01T00",): 1}
    assert cost(ledger, since_us=since + 1, until_us=until)[()] == 0


def test_filters(ledger: LedgerStore) -> None:
    rows = [
        entry(1, virtual_key=1, model="a", target_model="x"),
        entry(2, team=2, model="x", target_model="b"),
        entry(3, customer=3, provider=4),
        entry(4, usage_source=int(UsageSource.ESTIMATE), flags=int(Flags.UNPRICED | Flags.RETRIED)),
    ]
    ledger.post(rows)
    assert everything(ledger, virtual_key=1) == rows[:1]
    assert everything(ledger, team=2) == rows[1:2]
    assert everything(ledger, customer=3, provider=4) == rows[2:3]
    assert everything(ledger, customer=3, provider=7) == []
    assert everything(ledger, model="x") == rows[:2]
    assert everything(ledger, model="x", team=2) == rows[1:2]
    assert [(usage.estimated, usage.unpriced) for usage in ledger.usage(UsageQuery())] == [(1, 1)]


def test_what_keys_have_spent_since(ledger: LedgerStore) -> None:
    ledger.post(
        [
            entry(1, virtual_key=1),
            entry(2, virtual_key=1, kind=int(Kind.ATTEMPT), cost_nanodollars=5),
            entry(3, virtual_key=1, line=int(Line.SHADOW), kind=int(Kind.SHADOW)),
            entry(4, virtual_key=2, team=8, customer=9),
            entry(4, virtual_key=2, team=8, customer=9, line=2, kind=CORRECTION, cost_nanodollars=-4, prompt_tokens=0,
                  completion_tokens=0),
        ]
    )  # fmt: skip
    ms, day_ns = 1_000_000, DAY_US * 1000
    first, second = Spent(1, 0, 0, 7, 0, 1, 2, 10, 20, 1001 + 5), Spent(2, 8, 9, 7, 0, 1, 1, 10, 20, 1000)
    assert ledger.spent(0) == [first, second]
    assert ledger.spent(4 * day_ns) == [second]
    assert ledger.spent(4 * day_ns + ms) == []
    assert ledger.spent(0, until_us=4 * DAY_US) == [first]
    assert [(one.virtual_key, one.part, one.attempts) for one in ledger.spent(day_ns - ms, day_ns)] == [
        (1, 0, 1), (1, 1, 1), (2, 3, 1),
    ]  # fmt: skip


def test_sums_agree_whichever_way_they_are_made(ledger: LedgerStore) -> None:
    """Money is conserved: over keys, teams and customers as over rows, to the nano-dollar."""
    lot = random.Random(5)
    owners = {key: (key % 5, key % 2) for key in range(20)}
    expected: Counter[tuple[int, int, int]] = Counter()
    rows = []
    for number in range(3000):
        key = lot.randrange(20)
        amount = lot.choice((0, 1, 999_999_999_999, lot.randrange(10**12)))
        rows.append(
            entry(number, virtual_key=key, team=owners[key][0], customer=owners[key][1], cost_nanodollars=amount)
        )
        expected[key, *owners[key]] += amount
    for first in range(0, 3000, 500):
        # What is posted again, in whatever company, changes nothing.
        ledger.post(rows[max(0, first - 100) : first + 500])
    assert cost(ledger, "virtual_key", "team", "customer") == dict(expected)
    for dimension in ("virtual_key", "team", "customer", "day", "model"):
        assert sum(cost(ledger, dimension).values()) == expected.total()  # type: ignore[arg-type]
    assert {spent[:3]: spent.cost_nanodollars for spent in ledger.spent(0)} == dict(expected)
    for part_ns in (DAY_US * 1000, 12_345_678_901):
        parts = ledger.spent(0, part_ns)
        assert sum(spent.cost_nanodollars for spent in parts) == expected.total()
        alone = [spent_by(row, 0, part_ns) for _, row in ledger.rows(UsageQuery(), limit=3000)]
        assert Counter(spent[:5] for spent in alone).keys() == {spent[:5] for spent in parts}


def test_sums_by_hour_and_day_say_what_the_rows_say(ledger: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any report, before rows are added up, when some are, when all are, and when more have come since."""
    monkeypatch.setattr(sql_ledger, "SUMMED_AT_ONCE", 200)
    lot = random.Random(11)
    names: list[Dimension] = ["virtual_key", "team", "customer", "provider", "provider_key", "route", "model"]
    names += ["target_model", "operation", "outcome", "usage_source", "hour", "day", "month"]

    def lots(first: int, count: int) -> list[LedgerRow]:
        """Of 60 days, many of them late."""
        return [
            entry(
                number,
                **{name: lot.randrange(3) for name in names[:6]},
                model=lot.choice(("a", "b")), target_model=lot.choice(("a", "x")), operation=lot.randrange(2),
                usage_source=lot.randrange(3), line=lot.choice((0, 0, 0, 1, 2)), kind=lot.choice((2, 3, 4)),
                flags=lot.choice((0, int(Flags.UNPRICED))), cost_nanodollars=lot.randrange(-50, 10**12),
                started_us=lot.randrange(60 * DAY_US),
            )
            for number in range(first, first + count)
        ]  # fmt: skip

    def asked() -> UsageQuery:
        def time_us() -> int | None:
            whole = lot.randrange(61) * DAY_US, lot.randrange(61 * 24) * DAY_US // 24
            return lot.choice((None, lot.randrange(61 * DAY_US), lot.randrange(2 * DAY_US), *whole))

        since, until = time_us(), time_us()
        return UsageQuery(
            by=tuple(lot.sample(names, lot.randrange(4))),
            since_us=since,
            until_us=until,
            virtual_key=lot.choice((None, None, 1)),
            provider=lot.choice((None, None, 2)),
            model=lot.choice((None, None, "a")),
            shadows=lot.choice((True, False)),
        )

    queries = [asked() for _ in range(120)]
    ledger.post(lots(0, 650))
    before = [ledger.usage(query) for query in queries]
    for added_up in (True, True, True, False, False):
        assert ledger.sum_up() is added_up
        assert [ledger.usage(query) for query in queries] == before
    ledger.post(lots(100_000, 300))
    after = [ledger.usage(query) for query in queries]
    assert after != before
    assert ledger.sum_up()
    assert [ledger.usage(query) for query in queries] == after


def test_rows_of_several_posters_are_added_up_once(
    ledger: LedgerStore, open_control: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By several, too. A row whose number was drawn early and that is committed late is not passed over."""
    monkeypatch.setattr(sql_ledger, "SUMMED_AT_ONCE", 10)
    other = SqlLedger(open_control())
    threads = [
        threading.Thread(target=lambda first=first, one=one: [one.post([entry(first + n)]) for n in range(150)])
        for first, one in ((0, ledger), (1000, other))
    ]
    for thread in threads:
        thread.start()
    third, fourth = SqlLedger(open_control()), SqlLedger(open_control())
    adding = threading.Thread(target=lambda: [third.sum_up() for _ in range(40)])
    adding.start()
    while any(thread.is_alive() for thread in (*threads, adding)):
        fourth.sum_up()
    while fourth.sum_up():
        pass
    assert [sums.requests for sums in ledger.usage(UsageQuery())] == [300]

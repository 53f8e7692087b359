"""Every call is paid for once, by who made it; every request has one record; nothing stays reserved."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.records import CacheVerdict, ErrorKind, Kind, Outcome, UsageSource
from gateway.stores.ledger import UsageQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.cache.flying import Asked, Place, Plays, asking, gone, group, run, so
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Upstream, chunk, chunked_head, http, stream_events
from tests.live.wire import KEY
from tests.waiting import wait_for

COST = 9 * 1_500 + 4 * 6_000
"""Nano-dollars of what the upstream says that each of its answers took."""
ID = "x-microgate-request-id"


def test_who_made_the_call_pays_for_it(tmp_path: Path) -> None:
    plays = Plays()
    for user in ("stays", "leaves"):
        plays.steps[user] = [[plays.gate(user), http(CHAT)]]
    plays.steps["streams"] = [[chunked_head(), *map(chunk, stream_events(2)), plays.gate("streams"), chunk(b"")]]
    plays.steps["abandoned"] = [[Act.HOLD]]
    page = http(b"<html>", content_type="text/html")
    plays.steps["fails"] = [[plays.gate("fails"), page], [page], [http(CHAT)]]
    with Upstream(plays) as upstream:
        place = Place(tmp_path, upstream, plays, budgets=[{"usd": 1000, "per": "day"}])
        place.gateway.start()

        async def answered(user: str, those: list[Asked]) -> list[str]:
            plays.open.add(user)
            return [(await each.read()).header(ID) or "" for each in those]

        async def main() -> dict[str, list[str]]:
            ids: dict[str, list[str]] = {}
            leader, others = await group(place, "stays", asking("stays"), 3)
            await gone(place, others.pop())
            ids["stays"] = await answered("stays", [leader, *others])
            leader, others = await group(place, "leaves", asking("leaves"), 3)
            await gone(place, leader)
            ids["leaves"] = await answered("leaves", others)
            leader, others = await group(place, "streams", asking("streams", stream=True), 2)
            await leader.until(2)
            await gone(place, leader)
            ids["streams"] = await answered("streams", others)
            leader, others = await group(place, "fails", asking("fails"), 2)
            ids["fails"] = await answered("fails", [leader, *others])
            leader, others = await group(place, "abandoned", asking("abandoned"), 2)
            await so(lambda: place.calls("abandoned"))
            await gone(place, others[0], leader)
            visit = upstream.visits[place.calls("abandoned")[0].connection]
            assert not visit.closed
            await gone(place, others[1])
            await so(lambda: visit.closed)
            return ids

        try:
            ids = run(main())
            usage: dict[str, Any] = json.loads(place.gateway.get("/v1/usage", KEY).body)
            ledger = SqlLedger(SqliteDatabase(place.gateway.paths.control_db))
            calls = sum(map(len, plays.calls.values()))
            wait_for(lambda: ledger.usage(UsageQuery())[0].attempts == calls, "the rows of the ledger")
            cost = ledger.usage(UsageQuery())[0].cost_nanodollars
            rows = trail_of(place.gateway)
        finally:
            place.gateway.kill()
    entered = len(place.lines("entered"))
    attempts = trail_of(place.gateway, Kind.ATTEMPT).values()
    assert len(rows) == entered == 4 + 4 + 3 + 3 + 3
    by_user = {user: [rows[each] for each in those] for user, those in ids.items()}
    joined = [row for row in rows.values() if row.cache_verdict == CacheVerdict.SHARED]
    assert len(joined) == 3 + 3 + 2 + 1 + 2
    assert {(row.attempts, row.cost_nanodollars, row.usage_source) for row in joined} == {(0, 0, UsageSource.CACHE)}
    for user, those in by_user.items():
        for row in those:
            if row.cache_verdict == CacheVerdict.SHARED:
                assert (row.outcome, row.status, row.error_kind) == (Outcome.CACHED, 200, ErrorKind.NONE)
                assert (row.prompt_tokens, row.completion_tokens) == (9, 4)
                assert row.stream == (user == "streams")
    answered_ids = {each for those in ids.values() for each in those}
    left = [row for name, row in rows.items() if name not in answered_ids]
    assert {(row.outcome, row.error_kind) for row in left} == {(Outcome.CLIENT_ABORT, ErrorKind.CLIENT_GONE)}
    leaders = [row for row in left if row.cache_verdict == CacheVerdict.MISS]
    # What was shown to it before it left; of "abandoned" nobody knows what the provider charges.
    assert sorted((row.status, row.stream) for row in leaders) == [(0, 0), (0, 0), (200, 1)]
    assert sorted(row.cost_nanodollars == COST for row in leaders) == [False, True, True]
    # The ledger, the records and the limits say the same.
    paid = sum(row.cost_nanodollars for row in [*rows.values(), *attempts])
    assert cost == paid
    assert calls == sum(row.attempts > 0 for row in rows.values()) + len(attempts)
    [requests], [money] = usage["limits"], usage["budgets"]
    assert (requests["spent"], requests["reserved"]) == (entered, 0)
    assert (Decimal(money["spent"]) * 10**9, Decimal(money["reserved"])) == (paid, 0)

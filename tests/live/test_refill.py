"""Limits and budgets after a reboot: shared memory is gone, the ledger says what was spent."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from gateway.stores.ledger import UsageQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, ask, request
from tests.waiting import wait_for

DEAR = [{"input": 0, "output": 1000}]
"""A tenth of a cent for a token of output, of which each answer has 4."""
BUDGETS = [
    {"usd": "0.012", "per": "month"},
    {"usd": 9, "per": "1h", "window": "rolling"},
    {"usd": 9, "per": "7d"},
    {"usd": 9},
]


def limits() -> list[dict[str, Any]]:
    # The hours of India begin at half past: the next one is a quarter of an hour away at least.
    zone = "UTC" if 15 <= time.gmtime().tm_min < 45 else "Asia/Kolkata"
    return [
        {"requests": 90, "per": "day", "time_zone": "Asia/Kolkata"},
        {"input_tokens": 9000, "per": "1h", "window": "rolling"},
        {"concurrency": 5},
        {"output_tokens": 9000, "per": "hour", "time_zone": zone},
    ]


def dear(upstream: Upstream) -> dict[str, Any]:
    """Limits of every kind and level; the key's budget of a month is for three requests."""
    return configuration(
        upstream.url,
        prices=DEAR,
        customers={"acme": {"budgets": [{"usd": 9, "per": "year", "time_zone": "America/New_York"}]}},
        teams={"team": {"customer": "acme", "budgets": [{"usd": 9, "per": "week"}]}},
        virtual_keys=[
            {
                "name": "test",
                "value": KEY,
                "team": "team",
                "limits": limits(),
                "budgets": BUDGETS,
                "providers": [{"provider": "mock", "budgets": [{"usd": 9, "per": "quarter"}]}],
            },
            {"name": "free", "value": "sk-free-01234567890123456789"},
        ],
    )


def post(gateway: Gateway, key: str = KEY) -> Any:
    body = {"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}
    return ask(gateway.port, request(path="/v1/chat/completions", body=json.dumps(body).encode(), key=key))


def standing(gateway: Gateway) -> dict[str, Any]:
    answer = gateway.get("/v1/usage", KEY)
    assert answer.status == 200, answer.body
    shown = json.loads(answer.body)
    return {
        f"{limit['level']} {limit['counts']} {limit['window']} {limit['kind']}": (limit["spent"], limit["reserved"])
        for limit in (*shown["limits"], *shown["budgets"])
    }


def in_ledger(gateway: Gateway, count: int) -> None:
    ledger = SqlLedger(SqliteDatabase(gateway.paths.control_db))
    wait_for(lambda: ledger.usage(UsageQuery())[0].requests == count, "the rows of the ledger")


def workers(gateway: Gateway, count: int) -> None:
    gateway.arguments[gateway.arguments.index("--workers") + 1] = str(count)
    gateway.workers = count


def reboot(gateway: Gateway, count: int) -> None:
    """Stop once ``count`` requests are in the ledger; what lies in shared memory is gone then."""
    in_ledger(gateway, count)
    gateway.stop()
    assert not os.path.exists(gateway.paths.arena)


def test_what_was_spent_is_known_after_a_reboot(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(dear(upstream))
    assert [post(gateway).status for _ in range(2)] == [200, 200]
    before = standing(gateway)
    assert before["virtual_key usd month fixed"] == ("0.008", "0.00")
    reboot(gateway, 2)
    gateway.start()
    assert standing(gateway) == before
    assert post(gateway).status == 200
    refused = post(gateway)
    assert refused.status == 402
    assert "$0.012 spent" in json.loads(refused.body)["error"]["message"]
    # Another number of workers is another arena, too; what was filled in is not in the ledger a second time.
    before = standing(gateway)
    in_ledger(gateway, 3)
    gateway.stop(keep_memory=True)
    workers(gateway, 2)
    gateway.start()
    assert standing(gateway) == before
    assert post(gateway).status == 402
    assert len(upstream.requests) == 3


def test_a_ledger_that_cannot_be_read_keeps_keys_with_a_budget_waiting(
    upstream: Upstream, start_gateway: Start
) -> None:
    """Others are served. What is served meanwhile is counted once, whenever the ledger comes back."""
    gateway = start_gateway(dear(upstream))
    assert [post(gateway).status for _ in range(2)] == [200, 200]
    before = standing(gateway)
    reboot(gateway, 2)
    away = f"{gateway.paths.control_db}.away"
    os.rename(gateway.paths.control_db, away)
    Path(gateway.paths.control_db).write_bytes(b"no database" * 1000)
    gateway.start()
    refused = post(gateway)
    assert refused.status == 503
    assert refused.header("retry-after") == "1"
    assert "not known yet" in json.loads(refused.body)["error"]["message"]
    assert gateway.get("/v1/usage", KEY).status == 503
    assert post(gateway, "sk-free-01234567890123456789").status == 200
    spool = Path(gateway.paths.ledger_spool)
    wait_for(lambda: spool.exists() and spool.stat().st_size, "the spool")
    os.rename(away, gateway.paths.control_db)
    wait_for(lambda: gateway.get("/v1/usage", KEY).status == 200, "the budgets")
    assert standing(gateway) == before
    assert [post(gateway).status for _ in range(2)] == [200, 402]


def test_what_was_on_its_way_to_the_ledger_counts_as_well(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(dear(upstream))
    assert post(gateway).status == 200
    in_ledger(gateway, 1)
    gateway.send("mg-control", signal.SIGSTOP)
    assert post(gateway).status == 200
    gateway.kill(keep_memory=True)
    workers(gateway, 2)
    gateway.start()
    assert standing(gateway)["virtual_key usd month fixed"] == ("0.008", "0.00")
    assert [post(gateway).status for _ in range(2)] == [200, 402]
    in_ledger(gateway, 3)

"""A database server that is gone, or there and silent, while requests come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.reliability.asking import running
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from gateway.stores.ledger import UsageQuery
from gateway.stores.postgres_database import PostgresDatabase
from gateway.stores.sql_ledger import SqlLedger
from tests.beside import Beside
from tests.live.instance import Gateway, configuration
from tests.live.test_virtual_keys_api import PATH, Desk
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, ask, request
from tests.postgres import PostgresServer, standing_still

UNKNOWN = "sk-nobody-knows-0123456789012345"
MOST_CONNECTIONS = 5
TOLD_WITHIN_S = 60.0
"""An operator's change while the server is away."""


class Load(Beside):
    """One caller, who asks again and again."""

    def __init__(self, gateway: Gateway, keys: list[str]) -> None:
        super().__init__()
        self._gateway = gateway
        self._keys = keys
        self.statuses: Counter[int] = Counter()
        self.unknown: Counter[int] = Counter()
        self.slowest_s = 0.0

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.02):
            number += 1
            began = time.monotonic()
            status = ask(self._gateway.port, request(key=self._keys[number % len(self._keys)]), timeout=60).status
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.statuses[status] += 1
            if number % 20 == 0:
                self.unknown[ask(self._gateway.port, request(key=UNKNOWN), timeout=60).status] += 1


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


OUTAGES: dict[str, Callable[[PostgresServer], Any]] = {"stopped": stopped, "silent": standing_still}


@figure("F10", guard="tests/stores/test_postgres_database.py")
def postgres_outage(quick: bool) -> Outcome:
    """A server that is stopped, and one whose processes stand still, for five minutes each, while two keys are used:
    one of the file, one of the database."""
    seconds = 8 if quick else 300
    values: dict[str, Any] = {"seconds": seconds}
    kept = True
    for how, outage in OUTAGES.items():
        server = PostgresServer()
        try:
            url = server.database()
            with Upstream() as upstream:
                config = configuration(upstream.url)
                with running(config, workers=2, more=["--database", url]) as gateway:
                    told = _through(gateway, server, url, outage, seconds)
        finally:
            server.close()
        kept &= told.pop("kept")
        values |= {f"{how}: {what}": value for what, value in told.items()}
    return Outcome(
        values,
        kept,
        "Workers hold the whole table of keys for as long as the outage lasts: a key that is not in it does not "
        "exist, and is refused with 401.",
    )


def _through(
    gateway: Gateway,
    server: PostgresServer,
    url: str,
    outage: Callable[[PostgresServer], Any],
    seconds: float,
) -> dict[str, Any]:
    desk = Desk(gateway)
    made = desk.made("stored")["key"]
    ledger = SqlLedger(PostgresDatabase(url))
    held: list[int] = []

    def connections() -> int:
        try:
            with server.connect() as own:
                query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'microgate' AND pid <> %s"
                [(count,)] = own.execute(query, (own.info.backend_pid,)).fetchall()
                return int(str(count))
        except psycopg.Error:
            return 0

    with Load(gateway, [KEY, made]) as load:
        time.sleep(2)
        with outage(server):
            began = time.monotonic()
            time.sleep(min(3.0, seconds / 2))
            asked = time.monotonic()
            refused = _change(gateway)
            answered_s = time.monotonic() - asked
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        back = time.monotonic()
        while time.monotonic() < back + 5:
            held.append(connections())
            time.sleep(0.05)
    calls = sum(load.statuses.values())
    wait_until(lambda: ledger.usage(UsageQuery())[0].attempts >= calls, "the rows of the ledger", 120)
    recovered_s = time.monotonic() - back
    time.sleep(1)
    [usage] = ledger.usage(UsageQuery())
    again = desk.ask("POST", PATH, {"name": "afterwards", "spec": {}}).status
    # One more: the look-up of this figure.
    most = max(held) if held else 0
    return {
        "calls with known keys, by status": dict(load.statuses),
        "unknown keys, by status": dict(load.unknown),
        "slowest call, ms": round(load.slowest_s * 1000),
        "a change meanwhile": f"{refused} after {answered_s:.1f} s",
        "a change afterwards": again,
        "rows of the ledger lost, doubled": f"{max(0, calls - usage.attempts)}, {max(0, usage.attempts - calls)}",
        "connections at most": most,
        "all rows there after, s": round(recovered_s, 1),
        "kept": set(load.statuses) == {200}
        and usage.attempts == usage.requests == calls
        and most <= MOST_CONNECTIONS + 1
        and refused == 503
        and answered_s <= TOLD_WITHIN_S
        and again == 201,
    }


def _change(gateway: Gateway) -> int:
    """The status of an operator's change, which may take longer than clients of tests wait."""
    token = (gateway.data_dir / "admin.token").read_text().strip()
    raw = request(path=PATH, key=token, body=b'{"name":"meanwhile","spec":{}}')
    return ask(gateway.port, raw, timeout=60).status


__all__ = ["postgres_outage"]

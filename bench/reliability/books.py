"""What a running gateway says of the key ``KEY``, in figures: its limits and budgets, and the ledger."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Any

from tests.live.instance import Gateway
from tests.live.wire import KEY

NANO = 10**9


def usage(gateway: Gateway) -> dict[str, Any]:
    """``GET /v1/usage``."""
    found: dict[str, Any] = json.loads(gateway.get("/v1/usage", KEY).body)
    return found


def limits(gateway: Gateway) -> list[dict[str, Any]]:
    """Its limits, then its budgets."""
    shown = usage(gateway)
    return [*shown["limits"], *shown["budgets"]]


def nanodollars(text: str) -> int:
    """Of dollars as ``/v1/usage`` has them."""
    whole, _, part = text.partition(".")
    return int(whole) * NANO + int(part.ljust(9, "0"))


def held(limit: dict[str, Any]) -> bool:
    """Whether something of it is reserved."""
    return bool(float(limit["reserved"]))


def in_ledger(gateway: Gateway) -> tuple[int, int]:
    """Rows of callers' calls, and nano-dollars of all of them."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.paths.control_db}?mode=ro", uri=True)) as database:
        query = "SELECT COUNT(*), COALESCE(SUM(cost_nanodollars), 0) FROM ledger WHERE line = 0"
        rows, money = database.execute(query).fetchone()
    return int(rows), int(money)

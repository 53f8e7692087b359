"""What the ledger says against what providers say that they served: attempts, prices, bills."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.load.result import ROOT
from bench.reliability.asking import ask_all, running
from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded
from bench.reliability.instance import wait_until
from gateway.faults.embedded import InProcess
from gateway.faults.meter import Call
from gateway.faults.reading import fault
from gateway.faults.schema import Prices, Setup, UpstreamEntry
from gateway.records import Flags, UsageSource
from gateway.records import Outcome as Outcomes
from gateway.snapshot.model import id_hash
from gateway.stores.ledger import LedgerRow, UsageQuery
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_database import SqliteDatabase
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request

COSTS = {
    "trouble": Prices(prompt_nanodollars=150, completion_nanodollars=600),
    "spare": Prices(prompt_nanodollars=2_000, completion_nanodollars=8_000),
    "slow": Prices(prompt_nanodollars=700, completion_nanodollars=2_100),
}
"""Nano-dollars for a token, at the meter and at the gateway alike."""
TROUBLE = (
    "status:500,share=0.06",
    "status:429,retry_after=1s,share=0.02",
    "html,share=0.03",
    "reset_peer:before_head,share=0.04",
    "error_event:0,share=0.05",
    "close_idle,share=0.05",
    "latency:5ms,jitter=10ms,share=0.2",
)
SLOW = ("latency:150ms,share=0.1",)
LANES = 48
PORTION = 800
"""Requests after which the meters' last calls are read: a meter remembers a thousand."""


def setup() -> Setup:
    faults = {"trouble": TROUBLE, "slow": SLOW, "spare": ()}
    return Setup(
        upstreams={
            name: UpstreamEntry(prices=prices, faults=[fault(each) for each in faults[name]])
            for name, prices in COSTS.items()
        },
        seed=11,
    )


def priced(providers: InProcess, **more: Any) -> dict[str, Any]:
    """A gateway's configuration with these providers: ``m`` fails over, ``h`` hedges."""
    config = configuration("http://127.0.0.1:1", **more)
    mock = config["providers"].pop("mock")
    for name in COSTS:
        config["providers"][name] = {**mock, "base_url": f"{providers.url(name)}/v1", "stream_usage": "ask"}
    config["routes"] = {
        "m": {"targets": ["trouble/gpt-4o-mini"], "fallbacks": ["spare/gpt-4o-mini"]},
        "h": {"targets": ["slow/gpt-4o-mini"], "fallbacks": ["spare/gpt-4o-mini"],
              "hedge": {"after": "40ms", "share": 1}},
    }  # fmt: skip
    config["prices"] = [
        {"provider": name, "input": f"{each.prompt_nanodollars / 1000:g}",
         "output": f"{each.completion_nanodollars / 1000:g}"}
        for name, each in COSTS.items()
    ]  # fmt: skip
    return config


def requests(count: int) -> list[bytes]:
    """Each with a number that providers are sent, too."""
    draw = random.Random(6)
    made = []
    for number in range(count):
        model, stream = draw.choice(("m", "m", "h")), draw.random() < 0.5
        body = {"model": model, "messages": [{"role": "user", "content": "Tell me of the sea."}], "stream": stream}
        raw = json.dumps(body, separators=(",", ":")).encode()
        made.append(request(body=raw, fields=[("x-client-request-id", str(number))]))
    return made


def ledger_of(gateway: Gateway) -> SqlLedger:
    return SqlLedger(SqliteDatabase(gateway.paths.control_db))


def in_ledger(gateway: Gateway) -> tuple[int, int]:
    """Attempts and nano-dollars, told by the command that operators use."""
    command = [sys.executable, "-m", "gateway", "usage", "--by", "provider", "--format", "json", "--data-dir"]
    told = subprocess.run(
        [*command, str(gateway.data_dir)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    rows = json.loads(told)
    return sum(row["attempts"] for row in rows), sum(row["cost_nanodollars"] for row in rows)


class Books:
    """What ledger and meters say of each request at each provider."""

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[str, str], list[LedgerRow]] = defaultdict(list)
        self.calls: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        self.last = dict.fromkeys(COSTS, 0)
        """Of the calls that were read, by provider."""

    def read_meters(self, providers: InProcess) -> None:
        """Take what was called since the last time, once it has ended."""
        wait_until(lambda: not any(providers.meter(name).open for name in COSTS), "no call is under way")
        for name in COSTS:
            for call in providers.calls(name):
                if call.number > self.last[name]:
                    assert call.number == self.last[name] + 1, "the meter has forgotten calls"
                    self.last[name] = call.number
                    self.calls[call.request_id, name].append(call)

    def read_ledger(self, gateway: Gateway, names: dict[bytes, str], requests: int) -> None:
        """``names``: request id -> its number."""
        hashes = {id_hash(f"file:provider/{name}"): name for name in COSTS}
        ledger = ledger_of(gateway)
        wait_until(lambda: ledger.usage(UsageQuery())[0].requests >= requests, "the rows of the ledger", 60)
        time.sleep(1)
        last = 0
        while page := ledger.rows(UsageQuery(), after=last):
            for _, row in page:
                self.rows[names[row.request_id], hashes[row.provider % 2**64]].append(row)
            last = page[-1][0]


@figure("G10", guard="tests/live/test_costs.py")
def every_attempt(quick: bool) -> Outcome:
    """Errors, pages, resets, errors inside streams, closed connections and delays by chance; plain and streamed; a
    route that fails over, one that hedges. Compared request by request and provider by provider."""
    calls = 2_000 if quick else 100_000
    statuses: Counter[int] = Counter()
    books = Books()
    names: dict[bytes, str] = {}
    with InProcess(setup()) as providers, running(priced(providers), workers=2) as gateway:
        raws = requests(calls)
        for first in range(0, calls, PORTION):
            for number, one in enumerate(ask_all(gateway, raws[first : first + PORTION], LANES), first):
                statuses[one.answer.status] += 1
                names[bytes.fromhex(one.answer.header("x-microgate-request-id") or "")] = str(number)
            books.read_meters(providers)
        # Nobody was asked for those that found every key at rest.
        books.read_ledger(gateway, names, calls - statuses[503] - statuses[429])
        attempts, cost = in_ledger(gateway)
    begun = sum(books.last.values())
    seen: Counter[str] = Counter()
    wrong = 0
    for place in books.rows.keys() | books.calls.keys():
        rows, served = books.rows[place], books.calls[place]
        ours, theirs = sum(row.cost_nanodollars for row in rows), sum(call.price_nanodollars for call in served)
        left = sum(row.usage_source == UsageSource.ESTIMATE for row in rows)
        kind = "left" if left else "seen"
        seen[f"{kind}: ledger"] += ours
        seen[f"{kind}: meter"] += theirs
        seen["left"] += left
        # Hedges that lost before they had a connection.
        seen["unsent"] += sum(row.outcome == Outcomes.CANCELLED and not row.usage_source for row in rows)
        seen["again"] += max(0, len(served) - len(rows))
        wrong += not left and ours != theirs
    values: dict[str, Any] = {
        "calls": calls,
        "answered with 200": statuses[200],
        "attempts in the ledger, calls that providers counted": f"{attempts}, {begun}",
        "further attempts": attempts - calls,
        "put again on a fresh connection, within an attempt": seen["again"],
        "hedges that lost before they were sent": seen["unsent"],
        "ledger - meter, of attempts whose end was seen, nano-dollars": seen["seen: ledger"] - seen["seen: meter"],
        "of these in the ledger": seen["seen: ledger"],
        "requests of which they differ at a provider": wrong,
        "hedges that lost before a byte of their answer came, flagged as estimated": seen["left"],
        "what they cost in the ledger, at the meter": f"{seen['left: ledger']}, {seen['left: meter']}",
    }
    even = not wrong and cost == seen["seen: ledger"] + seen["left: ledger"]
    sent = attempts - seen["unsent"]
    return Outcome(
        values,
        even and begun >= sent > calls,
        "Of a hedge that lost nobody is told how far its provider was when its connection was closed; the meter knows. "
        "The ledger charges its input.",
    )


@figure("G8", guard="tests/live/test_costs.py")
def price_safety(quick: bool) -> Outcome:
    """Models without a known price, asked by keys with and without a budget, under both policies; rows that cost
    nothing and do not say why. Lists that are broken, gone or rolled back: the guarding tests."""
    calls = 20 if quick else 500
    budget = "sk-budget-0123456789012345678901"
    values: dict[str, Any] = {"calls a policy": 2 * calls}
    silent, kept = 0, True
    for policy in ("deny", "estimate"):
        with Upstream(lambda _: _whole()) as upstream:
            config = configuration(upstream.url, unknown_price=policy)
            config["virtual_keys"].append({"name": "budgeted", "value": budget, "budgets": [{"usd": 1000}]})
            with running(config, workers=2) as gateway:
                raws = [request(body=b'{"model":"mock/nobody-knows","messages":[]}', key=key) for key in (KEY, budget)]
                told = ask_all(gateway, raws * calls, 8)
                free, held = (Counter(one.answer.status for one in told[place::2]) for place in (0, 1))
                answered = free[200] + held[200]
                ledger = ledger_of(gateway)
                wait_until(lambda one=ledger, n=answered: one.usage(UsageQuery())[0].requests == n, "the rows")
                rows = [row for _, row in ledger.rows(UsageQuery(), limit=10_000)]
                spent = json.loads(gateway.get("/v1/usage", budget).body)["budgets"][0]["spent"]
        silent += sum(_is_silent(row) for row in rows)
        charged = sum(row.cost_nanodollars > 0 for row in rows)
        values[f"{policy}: keys with a budget, by status"] = dict(held)
        values[f"{policy}: keys without, by status"] = dict(free)
        values[f"{policy}: rows that are charged"] = f"{charged} of {len(rows)}"
        values[f"{policy}: spent of the budget, USD"] = spent
        if policy == "deny":
            kept &= set(held) == {402} and free[200] == calls and not charged
        else:
            kept &= held[200] == calls == free[200] and charged == len(rows) and float(spent) > 0
    lists = guarded("tests/snapshot/test_prices.py", "tests/test_pricing.py", quick=quick)
    values["rows with tokens that cost nothing and do not say so"] = silent
    values["tests of broken, missing and older lists passed"] = lists.values["tests passed"]
    return Outcome(values, kept and not silent and lists.kept)


def _whole() -> list[Step]:
    return [http(CHAT)]


def _is_silent(row: LedgerRow) -> bool:
    tokens = row.prompt_tokens + row.completion_tokens
    return bool(tokens and not row.cost_nanodollars and not row.flags & Flags.UNPRICED)


@figure("G17", guard="tests/cli/test_usage.py")
def reconciled(quick: bool) -> Outcome:
    """A bill by the provider's own count, request by request and in days; then the same with rows that are wrong, more,
    or missing."""
    calls = 100 if quick else 2_000
    counted: list[int] = []

    def script(received: Received) -> list[Step]:
        many = int(received.json()["max_tokens"])
        counted.append(9 * 1_000 + many * 5_000)
        usage = {"prompt_tokens": 9, "completion_tokens": many, "total_tokens": 9 + many}
        return [http(json.dumps({**json.loads(CHAT), "usage": usage}))]

    draw = random.Random(9)
    with Upstream(script) as upstream, tempfile.TemporaryDirectory() as folder:
        config = configuration(upstream.url, prices=[{"input": 1, "output": 5}])
        with running(config) as gateway:
            bill: dict[str, int] = {}
            for _ in range(calls):
                many = draw.randrange(1, 500)
                raw = request(body=json.dumps({"model": "m", "messages": [], "max_tokens": many}).encode())
                name = ask(gateway.port, raw).header("x-microgate-request-id") or ""
                bill[name] = 9 * 1_000 + many * 5_000
            ledger = ledger_of(gateway)
            wait_until(lambda: ledger.usage(UsageQuery())[0].requests == calls, "the rows of the ledger")
            total, names = sum(bill.values()), list(bill)
            cases: dict[str, tuple[dict[str, int], int, int]] = {
                "as counted": (bill, 0, 0),
                "0.05 % more on one row": ({**bill, names[3]: bill[names[3]] + total // 2000}, 0, 1),
                "0.2 % more on one row": ({**bill, names[5]: bill[names[5]] + total // 500}, 1, 1),
                "two that cancel out": (
                    {**bill, names[1]: bill[names[1]] + total // 900, names[2]: bill[names[2]] - total // 900}, 1, 2,
                ),
                "one that nobody asked for": ({**bill, "f" * 32: total // 100}, 1, 1),
                "one left out": ({name: cost for name, cost in bill.items() if name != names[7]}, 0, 0),
            }  # fmt: skip
            wrong = []
            for what, (rows, status, listed) in cases.items():
                file = Path(folder) / "bill.csv"
                _write(file, ("request_id", "cost_nanodollars"), rows.items())
                seen = _reconcile(gateway, file)
                if (seen[0], seen[1]) != (status, listed):
                    wrong.append(f"{what}: exit {seen[0]}, {seen[1]} rows")
            days = Path(folder) / "days.csv"
            today = time.strftime("%Y-%m-%d", time.gmtime())
            by_day = {today: total}
            _write(days, ("day", "cost_nanodollars"), by_day.items())
            by_days = [_reconcile(gateway, days)]
            _write(days, ("day", "cost_nanodollars"), [(today, total + total // 500)])
            by_days.append(_reconcile(gateway, days))
    if [status for status, _ in by_days] != [0, 1]:
        wrong.append(f"by day: {by_days}")
    values = {
        "requests": calls,
        "bills": len(cases) + len(by_days),
        "judged or listed wrongly": ", ".join(wrong) or "none",
        "provider's count - bill": sum(counted) - total,
    }
    return Outcome(values, not wrong and sum(counted) == total)


def _write(file: Path, head: Sequence[str], rows: Any) -> None:
    with open(file, "w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(head)
        writer.writerows(rows)


def _reconcile(gateway: Gateway, file: Path) -> tuple[int, int]:
    """Exit status, and how many rows are listed."""
    command = [sys.executable, "-m", "gateway", "usage", "reconcile", str(file), "--data-dir", str(gateway.data_dir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, sum(": file " in line for line in done.stdout.splitlines())


__all__ = ["every_attempt", "price_safety", "reconciled"]

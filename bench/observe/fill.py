"""``python -m bench.observe.fill DATA_DIR [--rows N] [--days D]``: a request log with its roll-ups, as a busy gateway
would have written them: by day and night, 8 providers, 60 models, 500 virtual keys of 20 teams and 40 customers.

Rows go through the log store and the roll-ups of the control process, with a clock that is turned on by hand.
``configuration`` is the file with which a gateway on this data directory knows the names.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import string
import time
from collections.abc import Iterator
from typing import Any

from _speedups import IMPLEMENTATION
from gateway.control.aggregate import Aggregates
from gateway.control.instance_id import instance_id
from gateway.control.migrate import upgrade
from gateway.control.rollups import Rollups, merged
from gateway.control.trail import Values, signed
from gateway.processes.paths import Paths
from gateway.records import CacheVerdict, ErrorKind, Kind, Outcome, UsageSource
from gateway.snapshot.model import id_hash
from gateway.stores.contents import StoredContent
from gateway.stores.ledger import LedgerRow
from gateway.stores.log_query import LogQuery
from gateway.stores.protocols import LogLimits, LogRow
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database, open_rollups, sqlite_url
from providers.operations import Dialect, Operation

PROVIDERS, MODELS, KEYS, TEAMS, CUSTOMERS = 8, 60, 500, 20, 40
ROWS = 10_000_000
DAYS = 30
TEMPLATES = 50_000
"""Different rows; each is used again with another time, id, duration and size."""
BATCH = 16
POSTED = 20_000
CONTENTS, EVERY = 300_000, 11
WORDS, PLACES = ("common", "middling", "seldom"), (10, 300, 19_000)
"""What can be looked for, and how many words are more frequent."""
_place = LogRow._fields.index
_ID, _STARTED, _SEQUENCE = _place("request_id"), _place("started_us"), _place("sequence")
_TOTAL, _TTFT, _GATEWAY, _UPSTREAM = _place("total_us"), _place("ttft_us"), _place("gateway_us"), _place("upstream_us")


def configuration(base_url: str, key: str) -> str:
    """A configuration file with all names; ``key`` is the value of key-0, ``base_url`` that of every provider."""
    providers = {
        f"provider-{number}": {
            "dialect": "openai_chat",
            "base_url": base_url,
            "keys": [{"name": "k", "value": "sk-none"}],
        }
        for number in range(PROVIDERS)
    }
    keys = [
        {
            "name": f"key-{number}",
            "value": key if number == 0 else f"sk-bench-{number:032x}",
            "team": f"team-{number % TEAMS}",
            "customer": f"customer-{number % CUSTOMERS}",
        }
        for number in range(KEYS)
    ]
    named: dict[str, dict[str, Any]] = {
        "teams": {f"team-{number}": {} for number in range(TEAMS)},
        "customers": {f"customer-{number}": {} for number in range(CUSTOMERS)},
    }
    return json.dumps({"providers": providers, **named, "virtual_keys": keys})


def _id(kind: str, name: str) -> int:
    return signed(id_hash(f"file:{kind}/{name}"))


def templates(chance: random.Random) -> list[Values]:
    """Rows without time and id: a few models and keys have most of them, one in fifty went wrong, one in ten was
    answered by the cache."""
    model_weights = [1 / (1 + number) for number in range(MODELS)]
    key_weights = [1 / (5 + number) for number in range(KEYS)]
    used = [chance.choices(range(MODELS), model_weights, k=4) for _ in range(KEYS)]
    found = []
    for _ in range(TEMPLATES):
        [key] = chance.choices(range(KEYS), key_weights)
        model = chance.choice(used[key])
        provider = model % PROVIDERS
        stream = int(chance.random() < 0.6)
        failed, cached = chance.random() < 0.02, chance.random() < 0.1
        status = chance.choice((400, 429, 429, 500, 503)) if failed else 200
        outcome = Outcome.UPSTREAM_ERROR if failed else Outcome.CACHED if cached else Outcome.OK
        completion = 0 if failed else int(chance.lognormvariate(5, 1))
        values: dict[str, Any] = dict.fromkeys(LogRow._fields, 0) | {
            "epoch": 1,
            "snapshot": 3,
            "virtual_key": _id("virtual_key", f"key-{key}"),
            "provider": _id("provider", f"provider-{provider}"),
            "provider_key": _id("provider_key", f"provider-{provider}/k"),
            "prompt_tokens": 0 if failed else int(chance.lognormvariate(6, 1.2)),
            "completion_tokens": completion,
            "cost_nanodollars": 0 if failed or cached else completion * chance.randrange(200, 15_000),
            "request_bytes": int(chance.lognormvariate(8, 1)),
            "response_bytes": 300 + 5 * completion * (20 if stream else 1),
            "chunks": completion if stream else 0,
            "kind": int(Kind.EXCHANGE),
            "operation": int(Operation.CHAT if chance.random() < 0.9 else Operation.EMBEDDINGS),
            "dialect": int(Dialect.OPENAI_CHAT),
            "target_dialect": int(Dialect.OPENAI_CHAT),
            "status": status,
            "attempt": 0 if cached and not failed else 1,
            "attempts": 0 if cached and not failed else 1,
            "stream": stream,
            "outcome": int(outcome),
            "error_kind": int(ErrorKind.UPSTREAM_SERVER if failed else ErrorKind.NONE),
            "usage_source": int(UsageSource.PROVIDER),
            "cache_verdict": int(CacheVerdict.HIT if cached and not failed else CacheVerdict.MISS),
            "model": f"provider-{provider}/model-{model}",
            "target_model": f"model-{model}",
            "dropped": None,
            "receipt": None,
            "client": b"\0" * 10 + b"\xff\xff\x0a\0\0\x01",
            "team": _id("team", f"team-{key % TEAMS}"),
            "customer": _id("customer", f"customer-{key % CUSTOMERS}"),
            "_took": 900 if cached else int(chance.lognormvariate(13.5, 0.9)),
        }
        values["total_us"] = values.pop("_took")
        found.append([values[name] for name in LogRow._fields])
    return found


def minutes(rows: int, days: int, end_s: int) -> Iterator[tuple[int, int]]:
    """(beginning of a minute, its rows): three times as many by day as by night."""
    first = end_s // 60 - days * 1440
    weights = [1.0 + 0.5 * math.sin(minute % 1440 / 1440 * 2 * math.pi) for minute in range(days * 1440)]
    left, weight_left = rows, sum(weights)
    for number, weight in enumerate(weights):
        count = round(left * weight / weight_left)
        left, weight_left = left - count, weight_left - weight
        yield (first + number) * 60, count


def fill(
    data_dir: str,
    *,
    rows: int = ROWS,
    days: int = DAYS,
    end_s: int | None = None,
    seed: int = 7,
    made: list[Values] | None = None,
) -> dict[str, Any]:
    """Fill a data directory; figures of how long that took. The newest row is of ``end_s``, now unless given; rows are
    made of ``made``, ``templates`` unless given."""
    paths = Paths(data_dir)
    paths.create()
    clock_s = [0.0]
    log_dir = paths.log_dir
    store = SqliteLog(log_dir, clock=lambda: clock_s[0], limits=LogLimits(max_age_s=1e9, max_bytes=1 << 40))
    aggregates = Aggregates()
    url = sqlite_url(log_dir)
    rollups = Rollups(open_rollups(url, instance_id(data_dir), merged), store, aggregates, clock=lambda: clock_s[0])
    chance = random.Random(seed)
    made = templates(chance) if made is None else made
    sequence, begun, hour = 0, time.monotonic(), 0
    rollups.begin()
    batch: list[Values] = []

    def store_hour() -> None:
        """Everything of an hour in one transaction: the disk is waited for 720 times instead of 43,200 times."""
        store.append(batch, {(0, 0): (1, sequence)})
        batch.clear()
        rollups.keep()
        store.maintain()
        rollups.maintain()

    for minute_s, count in minutes(rows, days, int(time.time()) if end_s is None else end_s):
        if minute_s // 3600 != hour:
            store_hour()
            hour = minute_s // 3600
        clock_s[0] = minute_s + 5.0
        for at in range(0, count, BATCH):
            values: Values = []
            for number in range(at, min(at + BATCH, count)):
                row = chance.choice(made).copy()
                sequence += 1
                row[_SEQUENCE] = sequence
                row[_ID] = sequence.to_bytes(16, "big")
                total_us = row[_TOTAL] = int(row[_TOTAL] * chance.uniform(0.5, 1.5))
                row[_GATEWAY] = chance.randrange(20, 90)
                row[_UPSTREAM] = total_us
                row[_TTFT] = total_us // 5 if row[_place("stream")] else 0
                # Ended within the minute, in order.
                row[_STARTED] = minute_s * 1_000_000 + number * 59_000_000 // count - total_us
                values += row
            aggregates.add(values)
            batch.append(values)
    store_hour()
    size = store.status().bytes
    rollups.store.close()
    store.close()
    kept = sum(
        os.path.getsize(os.path.join(log_dir, name)) for name in os.listdir(log_dir) if name.startswith("rollups")
    )
    return {
        "rows": sequence, "days": days, "seconds": time.monotonic() - begun, "log_bytes": size, "rollup_bytes": kept,
        "implementation": IMPLEMENTATION,
    }  # fmt: skip


def said(data_dir: str, count: int = CONTENTS, seed: int = 7) -> dict[str, Any]:
    """What was asked and answered in ``count`` requests, one of ``EVERY``, from the newest on; how long that took.

    120 words each way, of 20,000 drawn like those of a language: ``WORDS`` are a common, a middling and a rare one.
    """
    chance = random.Random(seed)
    spelled = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(3, 10))) for _ in range(20_000)]
    for word, place in zip(WORDS, PLACES, strict=True):
        spelled[place] = word
    weights = [1 / (5 + number) for number in range(len(spelled))]
    texts = [" ".join(chance.choices(spelled, weights, k=120)) for _ in range(3000)]
    log_dir = Paths(data_dir).log_dir
    store = SqliteLog(log_dir, limits=LogLimits(max_age_s=1e9, max_bytes=1 << 40))
    begun, kept, seen, cursor = time.monotonic(), 0, 0, None
    while kept < count:
        page = store.page(LogQuery(limit=1000, cursor=cursor))
        contents = []
        for row in page.rows:
            seen += 1
            if seen % EVERY == 0:
                asked, answered = chance.choice(texts), chance.choice(texts)
                contents.append(
                    StoredContent(
                        request_id=row.request_id,
                        started_us=row.started_us,
                        request=json.dumps({"messages": [{"role": "user", "content": asked}]}),
                        response=json.dumps({"choices": [{"message": {"role": "assistant", "content": answered}}]}),
                        request_words=asked,
                        response_words=answered,
                    )
                )
        kept += store.keep_contents(contents)
        cursor = page.next
        if cursor is None:
            break
    store.close()
    return {"contents": kept, "contents_seconds": time.monotonic() - begun}


def spent(data_dir: str, rows: int = ROWS, days: int = DAYS, seed: int = 7) -> dict[str, Any]:
    """A ledger of so many rows over so many days until now, added up by day as control does it; how long that took."""
    url = sqlite_url(os.path.join(data_dir, "control.db"))
    upgrade(url)
    ledger = SqlLedger(open_database(url))
    chance = random.Random(seed)
    made = [dict(zip(LogRow._fields, values, strict=True)) for values in templates(chance)[:5000]]
    kept = [LedgerRow(*(values.get(name, 0) for name in LedgerRow._fields)) for values in made]
    begun, now_us, step_us = time.monotonic(), int(time.time() * 1e6), days * 86_400_000_000 // rows
    for first in range(0, rows, POSTED):
        ledger.post(
            [
                chance.choice(kept)._replace(
                    request_id=b"\x01" + number.to_bytes(15, "big"), started_us=now_us - (rows - number) * step_us
                )
                for number in range(first, min(first + POSTED, rows))
            ]
        )
    posted_s = time.monotonic() - begun
    while ledger.sum_up():
        pass
    return {"ledger_rows": rows, "ledger_seconds": posted_s, "ledger_sums_seconds": time.monotonic() - begun - posted_s}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.observe.fill", description=__doc__)
    parser.add_argument("data_dir")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--days", type=int, default=DAYS)
    arguments = parser.parse_args()
    print(json.dumps(fill(arguments.data_dir, rows=arguments.rows, days=arguments.days), indent=2))


if __name__ == "__main__":
    main()

"""Two days of a gateway that is in use, for the screens: a request log with the names of ``seed.py``."""

from __future__ import annotations

import random
from typing import Any

from bench.observe.fill import fill
from gateway.control.trail import Values, signed
from gateway.records import CacheVerdict, ErrorKind, Kind, Outcome, UsageSource
from gateway.snapshot.model import id_hash
from gateway.stores.protocols import LogRow
from providers.operations import Dialect, Operation
from tests.ui.browser import Admin

ROWS, DAYS, TEMPLATES = 12_000, 2, 2000
ASKED = (
    ("fast", "openai", "gpt-4o-mini", 10),
    ("openai/gpt-4o", "openai", "gpt-4o", 4),
    ("anthropic/claude-3-5-haiku-20241022", "anthropic", "claude-3-5-haiku-20241022", 3),
    ("steady", "openai", "gpt-4o-mini", 2),
)
"""As it is asked for, who answers, its name there, how often."""
NANODOLLARS = {"gpt-4o-mini": (150, 600), "gpt-4o": (2500, 10_000), "claude-3-5-haiku-20241022": (800, 4000)}
"""Of a token of the question and of the answer."""
MS = {"gpt-4o-mini": 620, "gpt-4o": 1400, "claude-3-5-haiku-20241022": 900}
FAILURES = (
    (429, Outcome.UPSTREAM_ERROR, ErrorKind.UPSTREAM_RATE_LIMITED),
    (503, Outcome.UPSTREAM_ERROR, ErrorKind.UPSTREAM_SERVER),
)


def a_day(data_dir: str, ids: dict[str, dict[str, str]]) -> None:
    """Fill the log and the roll-ups of an instance that is stopped: today, and yesterday to compare it with.

    ``ids``: by path below /api and name."""
    chance = random.Random(5)
    fill(data_dir, rows=ROWS, days=DAYS, made=[_row(chance, ids) for _ in range(TEMPLATES)])


def ids_of(admin: Admin) -> dict[str, dict[str, str]]:
    paths = ("providers", "routes", "virtual-keys", "teams", "customers")
    return {
        path: {entry["name"]: entry["id"] for entry in admin.ask("GET", f"/api/{path}?limit=1000")["entries"]}
        for path in paths
    }


def _row(chance: random.Random, ids: dict[str, dict[str, str]]) -> Values:
    model, provider, target, _ = chance.choices(ASKED, [each[3] for each in ASKED])[0]
    key, team, customer = chance.choices(
        [("bob", "research", "acme"), ("chatbot", "support", ""), ("nightly", "", "acme")], [5, 7, 2]
    )[0]
    failed, cached = chance.random() < 0.02, chance.random() < 0.18
    cached = cached and not failed
    status, outcome, error = chance.choice(FAILURES) if failed else (200, Outcome.OK, ErrorKind.NONE)
    prompt, completion = int(chance.lognormvariate(5.6, 0.8)), int(chance.lognormvariate(4.9, 0.7))
    stream = int(chance.random() < 0.6)
    cost = prompt * NANODOLLARS[target][0] + completion * NANODOLLARS[target][1]
    known = {
        "virtual_key": ids["virtual-keys"][key],
        "provider": ids["providers"][provider],
        "provider_key": f"{ids['providers'][provider]}/{'main' if provider == 'anthropic' else 'eu'}",
        "route": ids["routes"].get(model, ""),
        "team": ids["teams"].get(team, ""),
        "customer": ids["customers"].get(customer, ""),
    }
    values: dict[str, Any] = dict.fromkeys(LogRow._fields, 0) | {
        **{name: signed(id_hash(identity)) if identity else 0 for name, identity in known.items()},
        "epoch": 1,
        "snapshot": 3,
        "prompt_tokens": 0 if failed else prompt,
        "completion_tokens": 0 if failed else completion,
        "cost_nanodollars": 0 if failed or cached else cost,
        "request_bytes": 300 + 4 * prompt,
        "response_bytes": 300 + 5 * completion * (20 if stream else 1),
        "chunks": completion if stream else 0,
        "kind": int(Kind.EXCHANGE),
        "operation": int(Operation.CHAT),
        "dialect": int(Dialect.OPENAI_CHAT),
        "target_dialect": int(Dialect.OPENAI_CHAT),
        "status": status,
        "attempt": 0 if cached else 1,
        "attempts": 0 if cached else 2 if model == "steady" else 1,
        "stream": stream,
        "outcome": int(Outcome.CACHED if cached else outcome),
        "error_kind": int(error),
        "usage_source": int(UsageSource.PROVIDER),
        "cache_verdict": int(CacheVerdict.HIT if cached else CacheVerdict.MISS),
        "model": model,
        "target_model": target,
        "dropped": None,
        "receipt": None,
        "client": b"\0" * 10 + b"\xff\xff\x0a\0\0\x01",
        "total_us": 800 if cached else int(chance.lognormvariate(0, 0.45) * MS[target] * 1000),
    }
    return [values[name] for name in LogRow._fields]

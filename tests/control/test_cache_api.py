"""/api/cache, and what /metrics says of the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cache.scope import ALL, CUSTOMER, KEY, TEAM
from gateway.control.cache_api import place_of, sums_of
from gateway.control.cache_process import Counts
from gateway.snapshot.cache import Cache
from tests.control.cache_beside import CacheBeside
from tests.control.process import CONFIG, Control
from tests.waiting import wait_for

CACHED = (
    CONFIG.replace("{name: alice,", "{name: alice, team: red,")
    + """
teams: {red: {customer: acme}}
customers: {acme: {}}
cache:
  enabled: true
  scope: team
  ttl: 10m
  max_size: 4MiB
"""
)
ALICE, BOB = "file:virtual_key/alice", "file:virtual_key/bob"
RED, ACME = "file:team/red", "file:customer/acme"
CONFIGURED = Cache(enabled=True, scope="team", max_size=4 << 20)


class Cached(Control):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.file.write_text(CACHED)


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    """A control process whose configuration has a cache."""
    control = Cached(tmp_path_factory.mktemp("cached"))
    try:
        control.start()
        wait_for(lambda: control.get("/api/cache").json["settings"]["enabled"], "the configuration")
        wait_for(lambda: control.send_json("GET", "/api/audit").status == 200, "the control database")
        yield control
    finally:
        control.close()


@pytest.fixture
def beside(cached: Cached) -> Iterator[CacheBeside]:
    process = CacheBeside(cached.paths, CONFIGURED)
    process.keeping.answers.clear()
    yield process
    process.close()


def samples(control: Control) -> dict[str, float]:
    lines = control.get("/metrics").body.decode().splitlines()
    split = [line.rpartition(" ") for line in lines if line.startswith(("microgate_cache", "microgate_process"))]
    return {name: float(value) for name, _, value in split}


def test_without_a_cache(running: Control) -> None:
    told = running.get("/api/cache").json
    assert (told["settings"]["enabled"], told["running"], told["problem"]) == (False, False, "")
    assert (told["store"], told["totals"], told["days"], told["semantic"]) == (None, None, [], None)
    refused = running.send_json("POST", "/api/cache/clear", {})
    assert (refused.status, refused.json["error"]["message"]) == (400, "no cache is configured (cache.enabled)")
    assert [name for name in samples(running) if name.startswith("microgate_cache")] == []


def test_without_its_process(cached: Cached) -> None:
    told = cached.get("/api/cache").json
    assert (told["running"], told["problem"], told["store"]) == (False, "the cache process is away", None)
    settings = told["settings"]
    assert (settings["scope"], settings["ttl_s"], settings["max_size_bytes"]) == ("team", 600, 4 << 20)
    assert (settings["store"], settings["semantic"]) == ("", None)
    assert cached.send_json("POST", "/api/cache/clear", {}).status == 503
    assert {name: value for name, value in samples(cached).items() if name.startswith("microgate_cache")} == {
        "microgate_cache_up": 0
    }


def test_what_it_was_good_for(cached: Cached, beside: CacheBeside) -> None:
    beside.put(TEAM, RED, 1)
    before = beside.stats()["totals"].get("hits", 0)
    beside.count(hits=8, similar=2, joined=1, misses=3, kept=3, would_hit=4, saved_nanodollars=1_500_000_007)
    beside.count(saved_us=2_500_000, whatever_else=1)
    wait_for(lambda: beside.stats()["totals"].get("saved_us") == 2_500_000, "what was counted")
    assert before == 0
    told = cached.get("/api/cache").json
    assert (told["running"], told["problem"], told["lost"]) == (True, "", 0)
    store = told["store"]
    assert (store["kind"], store["ok"], store["entries"], store["max_bytes"]) == ("lmdb", True, 1, 4 << 20)
    assert told["totals"] == {
        "lookups": 12, "exact": 6, "similar": 2, "joined": 1, "missed": 3, "exact_rate": 0.5, "similar_rate": 0.166667,
        "joined_rate": 0.083333, "kept": 3, "would_hit": 4, "saved_usd": "1.500000007", "saved_s": 2.5,
    }  # fmt: skip
    assert [day["day"] for day in told["days"]] == [datetime.now(UTC).date().isoformat()]
    assert told["days"][0]["sums"] == told["totals"]
    found = samples(cached)
    assert found["microgate_cache_up"] == found["microgate_cache_entries"] == 1
    assert found["microgate_cache_store_available"] == 1
    assert found["microgate_cache_max_size_bytes"] == 4 << 20
    assert found['microgate_cache_answers_total{result="kept"}'] == 3
    assert found['microgate_cache_answers_total{result="lost"}'] == 0
    assert found["microgate_cache_would_hit_total"] == 4
    assert found["microgate_cache_saved_dollars_total"] == 1.500000007
    assert found["microgate_cache_saved_seconds_total"] == 2.5
    assert beside.stats()["pid"] == os.getpid()
    assert found['microgate_process_resident_bytes{process="cache"}'] > 1 << 20


def fill(beside: CacheBeside) -> None:
    for level, owner in ((KEY, ALICE), (KEY, BOB), (TEAM, RED), (CUSTOMER, ACME), (ALL, "")):
        beside.put(level, owner, 1)
        beside.put(level, owner, 2)
        beside.put(level, owner, 3, b"end user 7")


@pytest.mark.parametrize(
    ("body", "forgotten"),
    [
        ({"virtual_key": "bob"}, 2),
        ({"virtual_key": BOB}, 2),
        ({"virtual_key": BOB.replace("/", "~1")}, 2),
        ({"team": "red"}, 2),
        ({"customer": "acme"}, 2),
        ({"team": "red", "partition": "end user 7"}, 1),
        ({}, 15),
        (None, 15),
    ],
)
def test_answers_of_one_are_forgotten_and_no_others(
    cached: Cached, beside: CacheBeside, body: dict[str, str] | None, forgotten: int
) -> None:
    fill(beside)
    answer = cached.send_json("POST", "/api/cache/clear", body)
    assert (answer.status, answer.json["forgotten"]) == (200, forgotten)
    assert len(list(beside.keeping.answers.entries())) == 15 - forgotten
    assert ("shared by team" in answer.json["note"]) == ("virtual_key" in (body or {}))
    last = cached.send_json("GET", "/api/audit?limit=1").json["entries"][0]
    assert (last["action"], last["kind"]) == ("clear", "cache")
    assert {name: value for name, value in last["after"].items() if value is not None} == (body or {})


@pytest.mark.parametrize(
    "body",
    [
        {"virtual_key": "nobody"},
        {"team": "alice"},
        {"customer": RED},
        {"virtual_key": "bob", "team": "red"},
        {"partition": "end user 7"},
        {"virtual_key": ""},
        {"virtualkey": "bob"},
        {"virtual_key": 7},
        [],
    ],
)
def test_a_mistake_forgets_nothing(cached: Cached, beside: CacheBeside, body: object) -> None:
    fill(beside)
    answer = cached.send_json("POST", "/api/cache/clear", body)
    assert answer.status == 400, answer.body
    assert len(list(beside.keeping.answers.entries())) == 15


def test_rates_of_nothing() -> None:
    assert sums_of(Counts()).exact_rate is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("redis://user:canary@cache.example:6379/0", "redis://cache.example:6379"),
        ("rediss://canary@[::1]:6379?password=canary", "rediss://[::1]:6379"),
        ("hnswlib:", "hnswlib://"),
    ],
)
def test_credentials_of_a_store_are_not_shown(url: str, shown: str) -> None:
    assert place_of(url) == shown

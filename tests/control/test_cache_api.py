"""/api/cache, and what /metrics says of the cache."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cache.scope import ALL, CUSTOMER, KEY, TEAM, scope_of
from gateway.cache.similar.audit import Audit
from gateway.control.cache_api import local_models, place_of, sums_of
from gateway.control.cache_process import Counts
from gateway.snapshot.cache import Cache, Semantic
from gateway.snapshot.model import id_hash
from tests.control.cache_beside import HOUR_NS, CacheBeside
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
  semantic: {embedder: mock/e, store: "weaviate://canary@vectors.example:8080"}
"""
)
ALICE, BOB = "file:virtual_key/alice", "file:virtual_key/bob"
RED, ACME = "file:team/red", "file:customer/acme"
CONFIGURED = Cache(enabled=True, scope="team", max_size=4 << 20, semantic=Semantic(embedder="mock/e"))


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


def test_models_of_the_data_directory(tmp_path: Path) -> None:
    assert local_models(str(tmp_path / "gone")) == []
    for name in ("minilm", "a b", ".hidden", "bge-m3.int8"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert local_models(str(tmp_path)) == ["bge-m3.int8", "minilm"]


def test_without_its_process(cached: Cached) -> None:
    told = cached.get("/api/cache").json
    assert (told["running"], told["problem"], told["store"]) == (False, "the cache process is away", None)
    settings = told["settings"]
    assert (settings["scope"], settings["ttl_s"], settings["max_size_bytes"]) == ("team", 600, 4 << 20)
    assert settings["store"] == ""
    semantic = settings["semantic"]
    assert (semantic["embedder"], semantic["mode"], semantic["threshold"]) == ("mock/e", "shadow", 0.95)
    assert semantic["store"] == "weaviate://vectors.example:8080"
    assert cached.send_json("POST", "/api/cache/clear", {}).status == 503
    assert {name: value for name, value in samples(cached).items() if name.startswith("microgate_cache")} == {
        "microgate_cache_up": 0
    }


def test_what_it_was_good_for(cached: Cached, beside: CacheBeside) -> None:
    beside.put(TEAM, RED, 1)
    before, began = beside.stats()["totals"].get("hits", 0), datetime.now(UTC).date().isoformat()
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
    # What is counted at midnight may be of the day before.
    assert {day["day"] for day in told["days"]} <= {began, datetime.now(UTC).date().isoformat()}
    assert len(told["days"]) == 1
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


def test_what_is_known_of_similar_questions(cached: Cached, beside: CacheBeside) -> None:
    learning = beside.keeping.meanings.learning
    learning._audits["shadow"] = Audit()
    scope = scope_of(KEY, id_hash(ALICE))
    for number in range(20):
        near, wrong = 0.9 + number / 250, number == 3
        learning.note(scope, number, near, near, "", not wrong, True, -1.0, time.time_ns() + HOUR_NS)
    learning.note(scope, 99, 0.97, 0.97, "number", False, False, -1.0, time.time_ns() + HOUR_NS)
    beside.count(looked=40, would_hit=20)
    wait_for(lambda: beside.stats()["semantic"]["lookups"] == 40, "what was counted")
    told = cached.get("/api/cache").json["semantic"]
    assert (told["mode"], told["embedder"], told["problem"], told["indexes"]) == ("shadow", "mock/e", "", {})
    assert (told["lookups"], told["would_be_hits"], told["audited"], told["wrong"]) == (40, 20, 20, 1)
    assert told["wrong_per_hit"] == 0.05
    # One of twenty: Clopper and Pearson's 95 % limit.
    assert told["wrong_per_hit_upper"] == pytest.approx(0.2161, abs=1e-4)
    assert told["wrong_per_lookup_upper"] == pytest.approx(0.2161 / 2, abs=1e-4)
    assert (told["observations"], told["compared"]) == (20, 21)
    points = {point["threshold"]: point for point in told["curve"]}
    assert points[0.9] == {"threshold": 0.9, "plain_hits": 21, "plain_wrong": 2, "hits": 20, "wrong": 1}
    assert points[0.99]["hits"] == 0
    found = samples(cached)
    assert found["microgate_cache_vectors"] == 0
    assert found['microgate_cache_audited_total{result="right"}'] == 19
    assert found['microgate_cache_audited_total{result="wrong"}'] == 1
    assert found["microgate_cache_wrong_hit_ratio_upper"] == told["wrong_per_hit_upper"]


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

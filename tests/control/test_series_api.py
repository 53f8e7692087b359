"""GET /api/series."""

from __future__ import annotations

import time
from typing import Any

import pytest

from _speedups._bucket import RingWriter
from gateway.control.figures import Figures
from gateway.control.figures_entry import SUMS, columns_of, entry_of
from tests.control.process import Control
from tests.control.trail_records import SMALL_RING, exchange, values_of
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def counted(running: Control) -> Control:
    """With 60 requests of now: 55 models, one key that has a name."""
    writer = RingWriter(running.paths.ring(0), 0, 1, running.paths.spill(0), SMALL_RING)
    now_ns = time.time_ns()
    for number in range(60):
        model = b"model-%d" % min(number, 54)
        writer.push(exchange(9000 + number, started_ns=now_ns, target_model=model, status=500 if number < 3 else 200))
    wait_for(lambda: series(running)["groups"][:1] and series(running)["groups"][0]["totals"]["requests"] == 60, "them")
    writer.close()
    return running


def series(control: Control, query: str = "") -> Any:
    answer = control.get(f"/api/series?{query}")
    assert answer.status == 200, answer.body
    return answer.json


def test_groups_have_names_totals_and_points(counted: Control) -> None:
    report = series(counted, "by=virtual_key&provider=mock&operation=chat")
    [group] = report["groups"]
    assert (group["name"], group["totals"]["requests"], group["totals"]["errors"]) == ("alice", 60, 3)
    assert (report["step_s"], len(report["times"])) == (60, len(group["points"]))
    told = [point for point in group["points"] if point is not None]
    assert sum(point["requests"] for point in told) == 60
    assert group["totals"]["duration_us"]["p99"] == pytest.approx(950, rel=0.04)
    assert (group["totals"]["ttft_us"], report["until"] - report["since"] >= 3600) == (None, True)
    assert {each["name"] for each in series(counted, "by=status")["groups"]} == {"200", "500"}
    assert [each["name"] for each in series(counted, "by=operation")["groups"]] == ["chat"]


def test_what_is_beyond_the_groups_is_one_more(counted: Control) -> None:
    groups = series(counted, "by=model&groups=5")["groups"]
    assert [group["name"] for group in groups[:1] + groups[-1:]] == ["model-54", "other"]
    assert (len(groups), sum(group["totals"]["requests"] for group in groups)) == (5, 60)
    assert len(series(counted, "by=model")["groups"]) == 50


@pytest.mark.parametrize("names", ["requests,errors", "errors,duration_us.p99,ttft_us.p50,requests", ""])
def test_columns_are_the_points_with_less_words(counted: Control, names: str) -> None:
    until = int(time.time()) // 60 * 60 + 600
    whole = series(counted, f"by=status&until={until}")
    brief = series(counted, f"by=status&until={until}&columns={names}")
    assert len(whole["groups"]) == 2
    assert brief["times"] == whole["times"]
    for group, other in zip(brief["groups"], whole["groups"], strict=True):
        assert (group["name"], group["totals"], group["points"]) == (other["name"], other["totals"], [])
        assert list(group["columns"]) == [name for name in names.split(",") if name]
        for name, told in group["columns"].items():
            member, _, field = name.partition(".")
            values = [point and point[member] for point in other["points"]]
            assert told == [value and value[field] if field else value for value in values]


def test_sums_are_where_figures_are_packed() -> None:
    figures = Figures()
    for number in range(3):
        figures.add(values_of(exchange(number, cost_nanodollars=77, attempts=3, cached_tokens=4)), 0)
    packed = bytearray()
    figures.pack(packed)
    told = columns_of([[bytes(packed), bytes(packed)], []], SUMS)
    entry = entry_of(figures)
    assert told == {name: [2 * getattr(entry, name), None] for name in SUMS}


@pytest.mark.parametrize("query", ["key=nobody", "team=x", "model=m", "status=404", "since=0&until=3600"])
def test_nothing_is_an_answer_too(counted: Control, query: str) -> None:
    assert series(counted, query)["groups"] == []


@pytest.mark.parametrize(
    "query",
    [
        "by=nothing", "since=nan", "since=-1", "since=2000000000&until=1000000000", "step=1", "groups=0", "groups=51",
        "operation=dance", "since=0&until=1000000000", "since=1700000000&until=1700864000&step=60", "status=1000",
        "provider=" + "x" * 600, "columns=nothing", "columns=duration_us", "columns=requests.p50",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(counted: Control, query: str) -> None:
    answer = counted.get(f"/api/series?{query}")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")

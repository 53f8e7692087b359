"""RESULTS.md from results of every shape the cases write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.load import statistics
from bench.load.subject import CACHED, MISSING
from bench.plots import Bar, bars
from bench.render import ORDER, render

TOP = {
    "title": "Title", "method": "How.", "taken": "2026-01-01T00:00:00+00:00",
    "missing": {"LiteLLM": "not installed\nx"},
    "machine": {"cpu": "A CPU", "cores": 2, "memory_gib": 8.0, "kernel": "6.1"},
    "versions": {"python": "3.11", "microgate": "abc1234"},
}  # fmt: skip


def _s(*values: float) -> dict[str, object]:
    return statistics.summary(values)


LATENCY = {"count": 5, "mean": 120.0, "p50": 110.0, "p99": 300.0}
MEMORY = {"data_plane_rss_mib": 60.0, "data_plane_pss_mib": 30.0, "tree_rss_mib": 90.0, "tree_pss_mib": 70.0}
CPU = {
    "cpu_us": _s(60, 61), "cpu_us_by_role": {"worker": 50.0, "control": 10.0}, "cpu_ratio": _s(1.5, 1.6), "failures": 0,
    "per_second": _s(9000), "p50_us": _s(900), "p99_us": _s(1900), "added_p50_us": _s(80.5), "added_p99_us": _s(150),
}  # fmt: skip
LOADED = {
    "offered": 5000.0, "idle": MEMORY, "peak": MEMORY, "after": MEMORY, "after_ratio": 1.05, "peak_in_flight": 8000,
    "failed": 0, "cpu_us": 70.0, "void": "",
}  # fmt: skip
RATES = {
    "hit_rate": 0.1, "of_possible": 0.2, "wrong_per_lookup": 0.001, "worst_per_lookup": 0.002, "wrong_per_hit": 0.01,
    "worst_per_hit": 0.02, "per_lookup_upper": 0.003,
}  # fmt: skip
SERVED = {"thresholds": {"0.9": RATES}, "verified": {"1% of look-ups": {"bound": 0.01, "per_hit": False, **RATES}}}
POINT = {"ef": 16, "recall": 0.99, "p50_us": 30.0, "p99_us": 60.0, "per_second": 30_000.0}
OTHER_POINT = POINT | {"ef": 64, "recall": 1.0}
INDEX = {
    "distribution": "clustered", "vectors": 100_000, "dim": 384, "kind": "float32", "load_before": 1.0,
    "ours": {"build_s": 20.0, "bytes_per_vector": 2130.0, "curve": [POINT, OTHER_POINT]}, "default": OTHER_POINT,
}  # fmt: skip
ROW = {
    "offered": 5000.0, "sent": 100, "failed": 1, "latency_us": LATENCY, "own_us": LATENCY,
    "added_us": {"p50": 9.0, "p99": 99.0}, "queue_us": 3.0, "rss_mib": 70.0, "cpu_us": 60.0, "void": "",
}  # fmt: skip
OWN: dict[str, Any] = {"offered": 5000.0, "cpu_us": _s(80), "generator_cpu_us": _s(40)}
OWN |= {f"{kind}_{p}_us": _s(10.5) for kind in ("own", "latency", "added") for p in ("p50", "p99")}
TTFT = {f"{kind}_{p}_us": _s(90) for kind in ("ttft", "added_ttft") for p in ("p50", "p99")}

MICRO = [
    {"name": "test_choose[c-c-all-up-20]", "stats": {"median": 120e-6}, "extra_info": {"operations": 2000}},
    {"name": "test_choose[c-python-all-up-20]", "stats": {"median": 80e-9}, "extra_info": {}},
    {"name": "test_choose[py-python-all-up-20]", "stats": {"median": 1500e-9}, "extra_info": {}},
    {"name": "test_body[c-one-long-message]", "stats": {"median": 5e-6}, "extra_info": {"gigabytes_per_second": 0.4}},
    {"name": "test_body[py-one-long-message]", "stats": {"median": 5e-3}, "extra_info": {"gigabytes_per_second": 0.02}},
    {"name": "test_unpack", "stats": {"median": 5e-4}, "extra_info": {"records": 1000}},
]  # fmt: skip

FINE: dict[str, Any] = {"failed": 0, "void": "", "void_rounds": []}

CASES: dict[str, dict[str, Any]] = {
    "p1": {"base": "nginx", "subjects": {"nginx": CPU, "microgate": CPU, "microgate (pure)": CPU}},
    "p2": {"subjects": {"microgate": OWN | {"failed": 0, "void": "", "void_rounds": ["9 % late"]}}},
    "p3": {"subjects": {"direct": CPU, "microgate": CPU}, "asleep": {"microgate": CPU}},
    "p4": {"subjects": {"microgate": LOADED}},
    "p5": {
        "subjects": {"microgate": TTFT | {"cpu_us_per_event": _s(12), "cpu_ratio": _s(1.2)} | FINE},
        "held": {"microgate": LOADED},
    },
    "p6": {"subjects": {"microgate": {"ready_s": _s(0.31, 0.29)}}},
    "p7": {"subjects": {"microgate": MEMORY | {"by_role": {"worker": {"pss_mib": 20.0}}}}},
    "p9": {"base": "1 worker", "subjects": {"1 worker": CPU, "2 workers": CPU}},
    "p8": {"base": "nginx", "subjects": {CACHED: CPU}, "misses": {MISSING: CPU}},
    "p11": {"base": "nginx", "subjects": {"microgate": CPU}},
    "p12": {"base": "nginx", "subjects": {"microgate": CPU}},
    "affinity": {
        "traces": {
            "conversation": {
                "requests": 12031,
                "placements": {"weighted random": {"hit_rate": 0.085, "imbalance": 1.5, "score": 0.0567}},
                "curves": {"spill": {"0.5": {"hit_rate": 0.285, "imbalance": 1.14, "score": 0.25}}},
            }
        }
    },
    "quality": {
        "sets": {
            name: {"questions": 10, "classes": 4, "without guard": SERVED, "with guard": SERVED}
            for name in ("question pairs", "near misses")
        },
        "guard": {"numbers": {"near_misses": 30, "let_through": 0.1, "paraphrases": 20, "refused": 0.2}},
    },
    "index": {
        "sets": {
            "100k": INDEX | {"hnswlib": {"build_s": 70.0, "curve": [POINT, OTHER_POINT]}, "times_hnswlib_at_0.98": 2.5},
            "1M int8": INDEX,
        }
    },
    "index_kills": {
        "plan": {"seconds": 600.0, "readers": 8, "dim": 384, "ids": 40_000, "kind": "float32"},
        "wrong_cosine": 0, "recall": 0.97, "recall_fresh": 0.975,
    },
    "observe": {
        "filled": {"rows": 10_000_000, "days": 30, "log_bytes": 2_800_000_000, "rollup_bytes": 900_000_000,
                   "contents": 300_000},
        "queries": {"30 days by model": {"first_ms": 900.0, "ms": 300.0, "most_ms": 400.0}},
        "pages": {"newest": {"first_ms": 9.0, "ms": 3.0, "most_ms": 4.0}},
        "reports": {"30 days by day": {"first_ms": 900.0, "ms": 300.0, "most_ms": 400.0}},
        "killed": {"kills": 11, "seconds": 60.0, "sent": 120_000, "failed": 0, "lost": 0},
        "rounds": {
            "closed": [{"p50_us": 200, "p99_us": 900, "own_p50_us": 15.0, "own_p99_us": 40.0,
                        "void": "late", "control_cpu_us_per_record": 15.0, "control_rss_mib": 90.0}],
            "open": [{"p50_us": 200, "p99_us": 950, "own_p50_us": 15.0, "own_p99_us": 40.0,
                      "void": "", "control_cpu_us_per_record": 16.0, "control_rss_mib": 95.0,
                      "late_ms": {"p50": 150.0, "p99": 300.0, "most": 400.0}}],
        },
        "p99_ratio": 1.05, "own_p99_ratio": 1.02,
    },
    "article": {
        "notes": ["another release"],
        "published": [{"name": "Bifrost", "overhead_us": 59, "note": "another machine"}],
        "subjects": {
            "upstream alone": {"offered_rate": ROW | {"own_us": None}},
            "microgate": {
                "ready_s": 0.3, "offered_rate": ROW, "own_rate": ROW | {"void": "late"},
                "closed_loop": {"per_second": 9000, "cpu_us": 60.0, "p50_us": 900, "p99_us": 1900},
            },
        },
    },
}  # fmt: skip


def test_every_case_has_a_section_a_plot_and_its_method(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    assert set(CASES) == set(ORDER)
    (results / "micro.json").write_text(json.dumps({**TOP, "benchmarks": MICRO}))
    for case, figures in CASES.items():
        (results / f"{case}.json").write_text(json.dumps({**TOP, **figures, "case": case}))
    text = render(results, tmp_path / "RESULTS.md")
    assert (tmp_path / "RESULTS.md").read_text() == text
    for case in ORDER:
        assert f"](plots/{case}.svg)" in text
        assert (tmp_path / f"plots/{case}.svg").read_text().startswith("<svg ")
    for part in ("A CPU, 2 cores", "Void rounds of microgate (left out): 9 % late", "Bifrost",
                 "Left out: LiteLLM (not installed)",
                 "| P10 key choice, one of 20, called from C, ns | 100.0 | 50 | 60 | must | 1,500 |",
                 "| P10 scan of one long message of 100 KB, GB/s | 1 | 2 | 0.40 | missed | 0.02 |",
                 "| choose all-up-20 | 60 | 80 | 1,500 | - | - |",
                 "| weighted random | 0.085 | 1.50 | 0.057 |", "| spill | 0.5 |",
                 "Trace `conversation`, 12,031 requests",
                 "Note: another release", "How. Taken 2026-01-01", "worker 50, control 10"):  # fmt: skip
        assert part in text


def test_targets_are_judged(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "p1.json").write_text(json.dumps({**TOP, **CASES["p1"]}))
    (results / "p6.json").write_text(json.dumps({**TOP, **CASES["p6"]}))
    text = render(results, tmp_path / "RESULTS.md")
    assert "| P1 CPU per request, x nginx | 2 | 1.50 | 1.55 | must | 1.55 |" in text
    assert "| P6 first answer, s | 0.60 | 0.30 | 0.30 | aim | - |" in text
    assert "P12" not in text


@pytest.mark.parametrize(
    ("case", "changes", "verdict"),
    [
        ("p4", {}, "aim"),
        ("p4", {"quick": True}, "quick run"),
        ("p4", {"subjects": {"microgate": LOADED | {"peak_in_flight": 500}}}, "less load"),
        ("p4", {"subjects": {"microgate": LOADED | {"void": "late"}}}, "void"),
        ("p4", {"subjects": {"microgate": LOADED | {"after_ratio": 9}}}, "missed"),
        ("p5", {"held": {"microgate": LOADED | {"peak_in_flight": 1999}}}, "missed"),
        ("p2", {"rate": 5000}, "aim"),
        ("p2", {"rate": 300}, "less load"),
    ],
)
def test_a_run_that_does_not_answer_the_target_is_not_judged(
    tmp_path: Path, case: str, changes: dict[str, Any], verdict: str
) -> None:
    (tmp_path / f"{case}.json").write_text(json.dumps({**TOP, **CASES[case], **changes, "case": case}))
    text = render(tmp_path, tmp_path / "RESULTS.md")
    assert f" | {verdict} |" in text


def test_a_busy_machine_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "p7.json").write_text(json.dumps({**TOP, **CASES["p7"], "load_before": 7.5}))
    assert "The machine was busy" in render(tmp_path, tmp_path / "RESULTS.md")


def test_no_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results"):
        render(tmp_path, tmp_path / "RESULTS.md")


def test_bars_escape_names_and_leave_far_marks_out() -> None:
    chart = bars("A < B", "us", [Bar("x & y", 10, 9, 12), Bar("zero", 0)], (("near", 11), ("far", 1000)))
    assert "A &lt; B" in chart
    assert "x &amp; y" in chart
    assert "near" in chart
    assert "far" not in chart

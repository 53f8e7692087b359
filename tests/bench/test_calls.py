from __future__ import annotations

from typing import Any

from bench import calls


def _bench(name: str, median: float, **extra: float) -> dict[str, Any]:
    return {"name": name, "stats": {"median": median}, "extra_info": extra}


def test_twins_and_c_callers_stand_in_one_row() -> None:
    found = calls.cases(
        {
            "benchmarks": [
                _bench("test_reserve_and_settle[c-gcra-tokens]", 300e-9),
                _bench("test_reserve_and_settle[py-gcra-tokens]", 18e-6),
                _bench("test_reserve_and_settle_from_c[gcra-tokens]", 100e-6, operations=2000),
                _bench("test_push_from_c", 200e-6, operations=2000),
                _bench("test_scrape[100]", 30e-6, lines=141),
                _bench("test_request_head[c]", 5e-7),
            ]
        }
    )
    rounded = {case: {column: round(value, 3) for column, value in row.items()} for case, row in found.items()}
    assert rounded == {
        "reserve and settle gcra-tokens": {"c": 300, "py": 18_000, "from C": 50},
        "push": {"from C": 100},
        "scrape 100": {"py": 30_000},
        "request head": {"c": 500},
    }


def test_a_target_without_its_benchmark_has_no_figure() -> None:
    assert {row[3:] for row in calls.targets({"benchmarks": []})} == {(None, "-", None)}

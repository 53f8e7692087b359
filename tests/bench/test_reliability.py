"""docs/reliability.md says what was promised and what was measured, and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.reliability import figures, page, run
from bench.reliability.figures import Outcome
from bench.reliability.promises import GROUPS, PROMISES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_results_say() -> None:
    assert page.TARGET.read_text() == page.text(run.read(run.path()))


def test_every_promise_has_a_row_measured_or_not(tmp_path: Path) -> None:
    file = tmp_path / "reliability.json"
    run.keep(file, "E10", Outcome({"slope, %/h": 0.5}, True), quick=False)
    run.keep(file, "E1", Outcome({"failed | lost": 3}, False, "On a busy machine."), quick=False)
    run.keep(file, "E10", Outcome({"slope, %/h": 0.25}, True), quick=False)
    assert list(run.read(file)) == ["E1", "E10"]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.text(run.read(file)).splitlines()}
    assert rows.keys() >= PROMISES.keys()
    assert "failed \\| lost: 3. On a busy machine. | **not kept** |" in rows["E1"]
    assert "| slope, %/h: 0.25 | kept |" in rows["E10"]
    assert f"| {page.MISSING} |" in rows["B1"]


def test_every_promise_belongs_to_a_group() -> None:
    assert {name[0] for name in PROMISES} == set(GROUPS)


def test_every_figure_is_guarded_by_a_test_file() -> None:
    assert [name for name, one in figures.load().items() if not (ROOT / one.guard).is_file()] == []
    assert all(one.guard.startswith("tests/") for one in figures.load().values())


def test_a_figure_that_is_not_promised_or_measured_twice_is_refused() -> None:
    figures.load()
    with pytest.raises(ValueError, match="X1"):
        figures.figure("X1", guard="tests/bench/test_reliability.py")
    with pytest.raises(ValueError, match="E1"):
        figures.figure("E1", guard="tests/bench/test_reliability.py")


def test_an_id_that_nothing_measures_is_named() -> None:
    with pytest.raises(ValueError, match="Z9"):
        run.run(["Z9"])

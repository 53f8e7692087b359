"""Counts that outlive the process."""

from __future__ import annotations

from pathlib import Path

from gateway.cache.figures import DAYS_KEPT, Figures


def test_counts_are_kept_over_a_restart(tmp_path: Path) -> None:
    figures = Figures(str(tmp_path))
    figures.add({"hits": 2, "saved_us": 5})
    figures.add({"hits": 1})
    figures.save()
    again = Figures(str(tmp_path))
    again.add({"hits": 4})
    assert again.totals == {"hits": 7, "saved_us": 5}
    assert list(again.days.values()) == [{"hits": 7, "saved_us": 5}]


def test_old_days_go(tmp_path: Path) -> None:
    figures = Figures(str(tmp_path))
    figures.days = {f"2020-01-{day:02}-{part}": {} for day in range(1, 31) for part in range(4)}
    figures.add({"hits": 1})
    assert len(figures.days) == DAYS_KEPT
    assert figures.days[max(figures.days)] == {"hits": 1}


def test_a_file_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{")
    figures = Figures(str(tmp_path))
    assert figures.totals == {}
    figures.add({"hits": 1})
    figures.save()
    assert Figures(str(tmp_path)).totals == {"hits": 1}


def test_a_full_disk_keeps_what_was_saved(tmp_path: Path) -> None:
    figures = Figures(str(tmp_path))
    figures.add({"hits": 1})
    figures.save()
    figures.add({"hits": 1})
    (tmp_path / "figures.json.new").mkdir()  # nothing can be written there
    figures.save()
    assert Figures(str(tmp_path)).totals == {"hits": 1}

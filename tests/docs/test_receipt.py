"""docs/receipt.md names every word that a receipt can hold."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.routing import receipt, trail

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "receipt.md").read_text()


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def cells(text: str, column: int) -> list[str]:
    """The words in code type of one column of the section's table."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall("`([^`]+)`", row[column])]


def test_reasons() -> None:
    text = section("Why a target was asked")
    letters = dict(zip(cells(text, 0), cells(text, 1), strict=True))
    assert letters == {why: letter for why, letter in receipt.WHYS.items() if why != receipt.PASSED}


def test_reasons_to_pass_over() -> None:
    source = Path(receipt.__file__).with_suffix(".py").read_text()
    reasons = re.findall(r'^[A-Z_]+ = "([a-z-]+)"$', source, re.MULTILINE)
    assert set(cells(section("Why one was passed over"), 0)) == set(reasons) - {receipt.PASSED, receipt.LOST}


def test_results() -> None:
    assert set(cells(section("What came of it"), 0)) == {*receipt.CAUSES.values(), receipt.LOST, "failed"}


def test_ends() -> None:
    text = section("Why nothing more was tried")
    assert dict(zip(cells(text, 0), cells(text, 1), strict=True)) == receipt.ENDS


def test_the_field_and_the_examples() -> None:
    assert f"`{trail.FIELD}: 1`" in TEXT
    for line in ("w0:503/132 -1:ejected f2:200/410", "u0:503/12 r0:503/15 r0:cut/9 =a"):
        assert line in TEXT
        found = receipt.receipt_in(line)
        assert found is not None
        assert receipt.pack(found.steps, found.end).decode() == line

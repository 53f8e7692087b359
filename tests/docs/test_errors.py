"""docs/errors.md is what the table of refusals says."""

import subprocess
import sys
from pathlib import Path

from providers.refusals import BY_STATUS, RULES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_rendered_from_the_table() -> None:
    command = [sys.executable, "docs/render_errors.py"]
    rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert rendered == (ROOT / "docs" / "errors.md").read_text(), "run: python docs/render_errors.py > docs/errors.md"


def test_every_row_says_why_and_is_reached() -> None:
    assert all(rule.why.endswith(".") and rule.who and rule.reason for rule in RULES)
    reached = {id(row.rule) for rows in BY_STATUS.values() for row in rows}
    assert reached == {id(rule) for rule in RULES}
    assert all(rows[-1].said is None and rows[-1].unless is None for rows in BY_STATUS.values())

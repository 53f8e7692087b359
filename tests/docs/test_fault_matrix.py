"""docs/fault-matrix.md is what the data of the fault matrix says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_rendered_from_the_data() -> None:
    command = [sys.executable, "docs/render_fault_matrix.py"]
    rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    page = (ROOT / "docs" / "fault-matrix.md").read_text()
    assert rendered == page, "run: python docs/render_fault_matrix.py > docs/fault-matrix.md"

"""The description of /api of which the web interface's client is made is the one that the gateway answers."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_description_is_the_present_one() -> None:
    command = [sys.executable, "docs/render_openapi.py"]
    rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert rendered == (ROOT / "gateway" / "control" / "ui" / "openapi.json").read_text(), "run: make ui-client"

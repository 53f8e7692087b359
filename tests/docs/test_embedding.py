"""docs/embedding.md does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from gateway import speedups

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()


def test_the_page_runs_as_one_program() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"{speedups.IMPLEMENTATION} because ")


def test_every_stable_name_is_documented() -> None:
    documented = speedups.__doc__ or ""
    internal = {"ABSENT", "MAX_LIMITS", "IMPLEMENTATION", "WHY"}
    assert [name for name in speedups.__all__ if f"``{name}``" not in documented and name not in internal] == []


def test_the_stable_classes_say_what_they_do() -> None:
    stubs = "".join(path.read_text() for path in (ROOT / "_speedups").glob("*.pyi"))
    for name in speedups.__all__:
        if name[0].isupper() and not name.isupper():
            assert re.search(rf'^class {name}\b.*:\n    """', stubs, re.MULTILINE), name

"""A file is one concept. Over the soft limit it is split by concept, or a reason stands here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {".py": 400, ".pyx": 700}
REASONS: dict[str, str] = {}


def too_long() -> dict[str, int]:
    found = {}
    for package in ("gateway", "providers", "_speedups", "bench"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in LIMITS:
                lines = path.read_text().count("\n")
                if lines > LIMITS[path.suffix]:
                    found[str(path.relative_to(ROOT))] = lines
    return found


def test_long_files_have_a_reason() -> None:
    assert {path: lines for path, lines in too_long().items() if path not in REASONS} == {}


def test_reasons_name_files_that_are_long() -> None:
    assert sorted(REASONS.keys() - too_long().keys()) == []


def test_no_drawers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    names = {path.stem for package in ("gateway", "providers", "_speedups") for path in (ROOT / package).rglob("*.py*")}
    assert names & drawers == set()

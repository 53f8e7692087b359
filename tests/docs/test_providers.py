"""docs/providers.md is what the tables of providers say."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from gateway.config.loader import loads
from providers.natives import NATIVES
from providers.vendors import VENDORS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """First cell -> the others, of the first table below a heading."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].strip("`"): row[1:] for row in [cells[0], *cells[2:]]}


def test_the_page_is_rendered_from_the_tables() -> None:
    command = [sys.executable, "docs/render_providers.py"]
    rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert rendered == PAGE, "run: python docs/render_providers.py > docs/providers.md"


def test_every_vendor_is_there_with_its_evidence_and_its_operations() -> None:
    places, offers = rows("Where they are"), rows("What they offer")
    assert places.keys() - {"provider"} == offers.keys() - {"provider"} == VENDORS.keys()
    for name, row in VENDORS.items():
        assert len(places[name]) == len(places["provider"])
        assert places[name][3].split(" ")[0] == row.evidence
        assert sum(map(bool, offers[name])) == len(row.operations), name


def test_who_says_recorded_says_how_often() -> None:
    told = {name: cells[3] for name, cells in rows("Where they are").items() if cells[3].startswith("recorded")}
    assert [name for name, text in told.items() if not re.fullmatch(r"recorded \([1-9]\d*\)", text)] == ["demo"]


def test_every_native_dialect_is_there() -> None:
    assert rows("Other dialects than OpenAI's").keys() - {"dialect"} == NATIVES.keys()


def test_the_example_can_be_used() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert list(yaml.safe_load(example)["providers"]) == ["groq", "azure", "house"]
    environ = {"GROQ_API_KEY": "sk-0123456789abcdef", "AZURE_KEY": "0123456789abcdef"}
    assert len(loads(example, "f.yaml", environ).config.providers) == 3

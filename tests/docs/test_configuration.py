"""docs/configuration.md is what the schema says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import yaml

from gateway.config.jsonschema import schema_text
from gateway.config.schema import Config

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()


def test_the_page_is_rendered_from_the_schema() -> None:
    command = [sys.executable, "docs/render_configuration.py"]
    rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert rendered == PAGE, "run: python docs/render_configuration.py > docs/configuration.md"


def test_every_field_is_on_the_page() -> None:
    def fields(kind: object) -> set[str]:
        if isinstance(kind, dict):
            own = set(kind.get("properties", ()))
            return own.union(*(fields(value) for value in kind.values()))
        return set().union(*(fields(value) for value in kind)) if isinstance(kind, list) else set()

    schema = json.loads(schema_text())
    assert sorted(name for name in fields(schema) if f"| `{name}` |" not in PAGE) == []


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^## (.*)", PAGE, re.MULTILINE)
    }
    assert sorted(set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - headings) == []


def test_the_example_is_a_document() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert set(yaml.safe_load(example)) <= {field.encode_name for field in msgspec.structs.fields(Config)}

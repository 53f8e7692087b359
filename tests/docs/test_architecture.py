"""ARCHITECTURE.md names files that exist, every phase, and the order in which the phases run."""

import ast
import re
from pathlib import Path

import pytest

import _speedups
from gateway import pipeline
from gateway.stores import protocols

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
TOP = "gateway|providers|_speedups|bench|docs|tests|deploy"
NAMED = re.findall(rf"(?:`|\]\()((?:(?:{TOP})/[\w/.-]+)|setup\.py)(?:`|\))", PAGE)


def table() -> list[list[str]]:
    """Rows of the page's first table, without its two head lines."""
    first = PAGE[PAGE.index("\n|") + 1 :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in first.splitlines()[2:]]


def modules(package: str) -> list[str]:
    return sorted(f"{package}/{path.name}" for path in (ROOT / package).glob("*.py") if path.name != "__init__.py")


def test_every_file_named_exists() -> None:
    assert len(NAMED) > 60
    assert sorted({name for name in NAMED if not (ROOT / name).exists()}) == []


def test_the_page_opens_with_the_way_of_a_request() -> None:
    assert PAGE.startswith("# Architecture\n\n## The way of one request\n\n|")
    steps = [row[0] for row in table() if row[0]]
    assert steps == ["0", "1", "2", "3", "3a", "3b", "3c", "3d", "3e", "3f", "4", "5"]


@pytest.mark.parametrize("package", ["gateway/phases", "gateway/server", "gateway/upstream"])
def test_the_table_names_every_module_on_the_way(package: str) -> None:
    places = " ".join(row[2] for row in table())
    assert [name for name in modules(package) if f"`{name}`" not in places] == []


def test_the_table_has_the_phases_in_the_order_of_the_pipeline() -> None:
    phases = [Path(name).stem for name in modules("gateway/phases")]

    def called(function: str) -> list[str]:
        tree = ast.parse(Path(ROOT / "gateway" / "pipeline.py").read_text())
        [found] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
        calls = [node for node in ast.walk(found) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        names = [call.func.id for call in sorted(calls, key=lambda c: c.lineno) if isinstance(call.func, ast.Name)]
        return list(dict.fromkeys(name for name in names if name in phases))

    told = [found[1] for row in table() if (found := re.match(r"`gateway/phases/(\w+)\.py`", row[2]))]
    assert told == [*called("admit_head"), *called("proceed"), "settle"]


def test_every_hook_and_store_is_named() -> None:
    assert [name for name in pipeline.HOOKS if f"`{name}`" not in PAGE] == []
    stores = [name for name in vars(protocols) if name.endswith("Store")]
    assert len(stores) == 5
    assert [name for name in stores if name not in PAGE] == []


def test_every_cython_source_is_named() -> None:
    assert [path.name for path in (ROOT / "_speedups").glob("*.pyx") if f"`_speedups/{path.name}`" not in PAGE] == []
    assert "COMPILED_MODULES" in PAGE
    assert "COMPILED_MODULES" in vars(_speedups)

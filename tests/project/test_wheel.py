"""What is handed out: three packages, nothing that runs by itself, the same bytes each time."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("_speedups", "gateway", "providers")
UI = {"ui", "static"}
"""The web interface: ``tests/ui/test_build.py``."""
DATA = (".css", ".json", ".mako", ".pxd", ".pyi", ".h")


def build(target: Path) -> Path:
    """A pure wheel, from a copy of the sources in a folder of its own."""
    source = target / "source"
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            source / package,
            ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__", "ui", "static"),
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "tests").mkdir()
    (source / "tests" / "test_nothing.py").touch()
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    run = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(target / "dist"), str(source)],
        env={**os.environ, "MICROGATE_BUILD": "pure", "MICROGATE_UI": "skip"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    [wheel] = (target / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_top_level(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert len(tops) == len(PACKAGES) + 1


def test_nothing_runs_by_being_installed(wheel: Path) -> None:
    assert [name for name in names_in(wheel) if name.endswith(".pth") or ".data/" in name] == []


def test_every_module_and_every_data_file_is_in_it(wheel: Path) -> None:
    inside = set(names_in(wheel))
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if (path.suffix in (".py", *DATA) or path.name == "py.typed") and not UI.intersection(path.parts)
    }
    assert sorted(expected - inside) == []


def test_no_generated_or_foreign_file(wheel: Path) -> None:
    suffixes = {".py", ".typed", *DATA}
    packed = [name for name in names_in(wheel) if not name.split("/")[0].endswith(".dist-info")]
    assert [name for name in packed if Path(name).suffix not in suffixes] == []


def test_licence_and_command_are_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        [commands] = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()
        assert "microgate = gateway.cli.main:main" in archive.read(commands).decode()


def test_two_builds_are_one_file(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()

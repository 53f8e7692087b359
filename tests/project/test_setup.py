"""What is missing on a machine is named, with the command that gets it; the gateway runs pure meanwhile."""

import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what setup.py reads, with one stale extension module in it."""
    for package in ("_speedups", "gateway", "providers"):
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__", "ui", "static"),
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    stale(tmp_path).touch()
    return tmp_path


def stale(root: Path) -> Path:
    return root / "_speedups" / f"_keys{EXTENSION_SUFFIXES[0]}"


def build(root: Path, mode: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=root,
        env={**os.environ, "MICROGATE_BUILD": mode, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_a_compiler_the_pure_modules_run_and_say_so(sources: Path) -> None:
    done = build(sources, "auto", CC="/nonexistent/cc")
    assert done.returncode == 0, done.stderr
    assert "NOT built" in done.stderr
    assert "apt-get install gcc" in done.stderr
    assert not stale(sources).exists()
    script = "import _speedups; print(_speedups.IMPLEMENTATION, _speedups.WHY)"
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=sources, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("pure 0 of ") or "MICROGATE_PURE" in said


def test_without_a_compiler_require_fails(sources: Path) -> None:
    done = build(sources, "require", CC="/nonexistent/cc")
    assert done.returncode != 0
    assert "apt-get install gcc" in done.stderr


def test_without_cython_the_generated_code_of_an_earlier_build_is_not_compiled(sources: Path) -> None:
    (sources / "no").mkdir()
    (sources / "no" / "sitecustomize.py").write_text("import sys\nsys.modules['Cython'] = None\n")
    done = build(sources, "require", PYTHONPATH=str(sources / "no"))
    assert done.returncode != 0
    assert "Cython" in done.stderr


def test_pure_compiles_nothing_and_removes_what_was_compiled(sources: Path) -> None:
    assert build(sources, "pure").returncode == 0
    assert not stale(sources).exists()


def test_an_unknown_mode_is_an_error(sources: Path) -> None:
    done = build(sources, "yes")
    assert done.returncode != 0
    assert "auto, require, pure" in done.stderr


def venv_with(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up of the virtual environment where ``python3`` is this shell script and no other Python is."""
    for tool in ("sh", "basename"):
        found = shutil.which(tool)
        assert found is not None
        (directory / tool).symlink_to(found)
    fake = directory / "python3"
    fake.write_text(python)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": str(directory)}
    return subprocess.run(
        ["sh", str(ROOT / ".ci" / "venv"), str(directory / "venv")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_missing_venv_module_is_named(tmp_path: Path) -> None:
    done = venv_with(tmp_path, '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n')
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_an_old_python_is_named(tmp_path: Path) -> None:
    done = venv_with(tmp_path, '#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\n')
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr


def test_no_header_shares_a_typed_memoryview() -> None:
    """Cython puts the code for them into every module that imports the header: it doubled the time of a build."""
    headers = [path for package in ("_speedups", "gateway") for path in (ROOT / package).rglob("*.pxd")]
    assert len(headers) > 20
    typed = re.compile(r"\w\[:(:1)?(, *:(:1)?)*\]")
    assert typed.search("cdef const unsigned long long[:] words")
    assert [path.name for path in headers if typed.search(path.read_text())] == []

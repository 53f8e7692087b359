"""Compiled or pure, all or nothing, and visibly so."""

import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import _speedups

ROOT = Path(__file__).resolve().parents[2]
FILES_OF_ALL = """
import importlib, json, _speedups
files = {name: importlib.import_module(name).__file__ for name in _speedups.COMPILED_MODULES}
print(json.dumps([_speedups.IMPLEMENTATION, _speedups.WHY, files]))
"""


def loaded(root: Path, pure: str | None = None) -> tuple[str, str, dict[str, str]]:
    """What a fresh process below ``root`` chose, why, and the file each of the compiled modules came from."""
    environment = {name: value for name, value in os.environ.items() if name != "MICROGATE_PURE"}
    if pure is not None:
        environment["MICROGATE_PURE"] = pure
    run = subprocess.run(
        [sys.executable, "-c", FILES_OF_ALL],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    implementation, why, files = json.loads(run.stdout)
    return implementation, why, files


def copy_of_the_packages(target: Path) -> Path:
    for package in ("_speedups", "gateway", "providers"):
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    return target


def pretend_built(root: Path, names: tuple[str, ...]) -> None:
    """Extension modules that exist and cannot be loaded: importing one of them would raise."""
    for name in names:
        (root / (name.replace(".", "/") + EXTENSION_SUFFIXES[0])).touch()


def test_the_expected_extension_modules_are_there() -> None:
    demanded = os.environ.get("MICROGATE_BUILD") == "require" and os.environ.get("MICROGATE_PURE", "0") in ("", "0")
    assert not demanded or _speedups.IMPLEMENTATION == "compiled", _speedups.WHY


def test_this_run_uses_what_it_says() -> None:
    _, _, files = loaded(ROOT, os.environ.get("MICROGATE_PURE"))
    suffix = ".py" if _speedups.IMPLEMENTATION == "pure" else EXTENSION_SUFFIXES[0]
    assert {name: path for name, path in files.items() if not path.endswith(suffix)} == {}


def test_pure_is_loaded_although_everything_is_built(tmp_path: Path) -> None:
    root = copy_of_the_packages(tmp_path)
    pretend_built(root, _speedups.COMPILED_MODULES)
    implementation, why, files = loaded(root, pure="1")
    assert (implementation, why) == ("pure", "MICROGATE_PURE is set")
    assert {name: path for name, path in files.items() if not path.endswith(".py")} == {}


@pytest.mark.parametrize("absent", ["_speedups._scan", "gateway.exchange", _speedups.COMPILED_MODULES[-1]])
def test_one_absent_extension_module_makes_all_pure(tmp_path: Path, absent: str) -> None:
    root = copy_of_the_packages(tmp_path)
    pretend_built(root, tuple(name for name in _speedups.COMPILED_MODULES if name != absent))
    implementation, why, files = loaded(root)
    assert implementation == "pure"
    assert why.endswith(f"absent: {absent}")
    assert {name: path for name, path in files.items() if not path.endswith(".py")} == {}


@pytest.mark.parametrize("value", ["", "0"])
def test_off_is_off(tmp_path: Path, value: str) -> None:
    root = copy_of_the_packages(tmp_path)
    _, why, _ = loaded(root, pure=value)
    assert why != "MICROGATE_PURE is set"


def test_a_pure_twin_has_one_identity(tmp_path: Path) -> None:
    root = copy_of_the_packages(tmp_path)
    script = "import _speedups._keys, _speedups._keys_py as twin, sys; sys.exit(_speedups._keys is not twin)"
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False, timeout=60).returncode == 0

"""The lock files: every file has a hash, no address says where it has to come from."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-hnswlib.lock")


def entries(lock: str) -> dict[str, str]:
    """Name -> everything the lock says about it (version, marker, hashes)."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return {line.split("==")[0]: line.split("==", 1)[1] for line in text.splitlines() if line.strip()}


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_pinned_and_hashed(lock: str) -> None:
    for name, rest in entries(lock).items():
        assert re.match(r"\d[\w.!+]*\s", rest), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert (
        re.findall(r"\w+://\S+|^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b.*", text) == []
    )


def test_npm_locks_name_no_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for path in (ROOT / name for name in listed if name.endswith(("package-lock.json", "npm-shrinkwrap.json"))):
        assert '"resolved"' not in path.read_text(), path


def test_the_runtime_lock_holds_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["build"]
    assert {normal(requirement) for requirement in declared} <= entries("requirements.lock").keys()


def test_the_development_lock_extends_the_runtime_lock() -> None:
    development = entries("requirements-dev.lock")
    versions = {name: rest.split()[0] for name, rest in entries("requirements.lock").items()}
    assert {name: development[name].split()[0] for name in versions} == versions


def test_what_is_built_from_source_is_one_package_and_its_tools_are_locked() -> None:
    assert entries("requirements-hnswlib.lock").keys() == {"hnswlib"}
    assert {"numpy", "pybind11", "setuptools"} <= entries("requirements-dev.lock").keys()


def test_httptools_carries_a_repaired_llhttp() -> None:
    major, minor = entries("requirements.lock")["httptools"].split(".")[:2]
    assert (int(major), int(minor)) >= (0, 8)

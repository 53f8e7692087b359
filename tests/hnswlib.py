"""hnswlib, which is published as source only: built once for the environment that the tests run in."""

from __future__ import annotations

import fcntl
import importlib
import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[1] / "requirements-hnswlib.lock"


@pytest.fixture(scope="session")
def hnswlib() -> None:
    """It can be imported. ``make`` has built it, but where that failed or the environment is an older one; that takes a
    minute."""
    lock = Path(sysconfig.get_path("purelib"), ".hnswlib.lock")
    with open(lock, "w") as file:
        # Several processes of one run.
        fcntl.flock(file, fcntl.LOCK_EX)
        importlib.invalidate_caches()
        if find_spec("hnswlib") is not None:
            return
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-build-isolation", "--require-hashes", "-r", str(LOCK)]
        # As our own code is built: for any processor of the kind.
        environment = {**os.environ, "HNSWLIB_NO_NATIVE": "1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"hnswlib could not be built (it needs g++): {run.stderr}"
        importlib.invalidate_caches()

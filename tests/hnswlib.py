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

REQUIREMENT = "hnswlib==0.8.0 --hash=sha256:cb6d037eedebb34a7134e7dc78966441dfd04c9cf5ee93911be911ced951c44c"
"""Of its source."""


@pytest.fixture(scope="session")
def hnswlib(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It can be imported. Takes a minute when it has to be built."""
    lock = Path(sysconfig.get_path("purelib"), ".hnswlib.lock")
    with open(lock, "w") as file:
        # Several processes of one run.
        fcntl.flock(file, fcntl.LOCK_EX)
        importlib.invalidate_caches()
        if find_spec("hnswlib") is not None:
            return
        needed = tmp_path_factory.mktemp("hnswlib") / "requirements.txt"
        needed.write_text(REQUIREMENT)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-build-isolation", "--require-hashes", "-r", str(needed)]
        # As our own code is built: for any processor of the kind.
        environment = {**os.environ, "HNSWLIB_NO_NATIVE": "1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"hnswlib could not be built (it needs g++): {run.stderr}"
        importlib.invalidate_caches()

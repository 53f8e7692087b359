"""The npm package ``openai`` works through the gateway."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY

FOLDER = Path(__file__).parent / "node"
NODE, NPM = shutil.which("node"), shutil.which("npm")

# A machine that only builds and runs the gateway needs no Node; where tests decide about a change it has to be there.
pytestmark = pytest.mark.skipif(not (NODE and NPM) and "CI" not in os.environ, reason="node or npm is not installed")


@pytest.fixture(scope="module")
def installed() -> Path:
    """The locked packages, installed once a machine into a cache directory named after the lock file."""
    assert NPM
    lock = (FOLDER / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "microgate-tests" / f"npm-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, folder / name)
        command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "done").touch()
    shutil.copy(FOLDER / "check.mjs", folder / "check.mjs")
    return folder


def test_the_npm_client_takes_every_answer(installed: Path, start_gateway: Start, upstream: Upstream) -> None:
    assert NODE
    gateway = start_gateway(configuration(upstream.url), more=["--demo"])
    command = [NODE, str(installed / "check.mjs"), gateway.base_url, KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["chat"] == found["stream"]
    assert found["response"]
    assert found["tool"] == "weather"
    assert (found["embeddings"], found["transcription"]) == (2, "string")
    assert found["speech"]
    assert found["image"]
    assert found["models"]


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()

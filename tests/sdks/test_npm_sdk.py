"""The vendors' npm packages work through the gateway, as they do against the vendors."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
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
    for script in FOLDER.glob("*.mjs"):
        shutil.copy(script, folder / script.name)
    return folder


@pytest.fixture(scope="module")
def gateway(start_for_module: Start) -> Gateway:
    """One with the built-in providers, that asks them once: their refusals are to be seen."""
    nobody = "http://127.0.0.1:9/v1"
    return start_for_module(configuration(nobody, retry={"attempts": 1}), more=["--demo"])


def run(script: Path, gateway: Gateway) -> Any:
    """What the script found out; its assertions are in it."""
    assert NODE
    command = [NODE, str(script), gateway.base_url, KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


HELLO = "hello there, world"
ASKED = {
    "anthropic": ["demo-anthropic", "demo", "demo-gemini"],
    "genai": ["demo-gemini", "demo", "demo-anthropic"],
    "bedrock": ["demo-bedrock", "demo", "demo-anthropic"],
    "ai": [
        "openai demo", "openai demo-anthropic", "chat demo", "chat demo-gemini", "anthropic demo-anthropic",
        "anthropic demo", "google demo-gemini", "google demo",
    ],
}  # fmt: skip
"""Script -> what it asks: a provider of its own dialect, and others."""


@pytest.mark.parametrize("name", ASKED)
def test_text_streams_and_rounds_with_tools(name: str, installed: Path, gateway: Gateway) -> None:
    found = run(installed / f"{name}.mjs", gateway)
    if name == "bedrock":
        assert found.pop("stranger") == ["UnrecognizedClientException", 401]
    assert list(found) == ASKED[name]
    for answers in found.values():
        assert answers["plain"] == answers["stream"] == HELLO
        assert (answers["tool"], answers["input"]) == ("weather", {"city": "demo"})
        assert answers["last"].startswith("The tool said: ")
        assert "sunny" in answers["last"]


def test_openai_takes_every_answer(installed: Path, gateway: Gateway) -> None:
    found = run(installed / "openai.mjs", gateway)
    assert found["chat"] == found["stream"]
    assert found["response"]
    assert found["tool"] == "weather"
    assert (found["embeddings"], found["transcription"]) == (2, "string")
    assert found["speech"]
    assert found["image"]
    assert found["models"]


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()

"""LiteLLM's proxy as a peer.

Install it once, into an environment of its own (about 1 GB, nothing of it enters this project)::

    python -m bench.peers.litellm install [DIR [VERSION]]

which is ``uv venv DIR && uv pip install --python DIR/bin/python 'litellm[proxy]==VERSION'`` where uv is installed, and
``python -m venv DIR && DIR/bin/pip install ...`` elsewhere; DIR is ``build/peers/litellm`` unless named, and is then
found by ``python -m bench.run article`` without ``--peers DIR``. Without a VERSION the first of RELEASES that the
package index can satisfy is taken. Figures carry the installed version, and say so when it is not the wanted one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.load import nginx
from bench.load.process import Process, free_port
from bench.load.ready import wait_until_answered
from bench.load.subject import KEY, Subject

DIRECTORY = Path(__file__).resolve().parents[2] / "build/peers/litellm"

RELEASES = ("1.109.1", "1.106.2")
"""The release the comparison is meant for, and the one to take where an index lacks a part of it."""

WANTED = RELEASES[0]

_CONFIG = """model_list:
  - model_name: bench
    litellm_params: {{model: openai/gpt-4o-mini, api_base: http://127.0.0.1:{port}/instant/v1, api_key: sk-upstream}}
  - model_name: bench-delay
    litellm_params: {{model: openai/gpt-4o-mini, api_base: http://127.0.0.1:{port}/delay/v1, api_key: sk-upstream}}
  - model_name: bench-sse
    litellm_params: {{model: openai/gpt-4o-mini, api_base: http://127.0.0.1:{port}/sse/v1, api_key: sk-upstream}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


def install(directory: Path, versions: Sequence[str] = RELEASES) -> str:
    """Create the environment with the first version that can be had; returns it. Raises CalledProcessError when none
    can."""
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", str(directory)], check=True)
        command = [uv, "pip", "install", "--python", str(directory / "bin/python")]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        command = [str(directory / "bin/pip"), "install", "-q"]
    for version in versions[:-1]:
        if subprocess.run([*command, f"litellm[proxy]=={version}"], check=False).returncode == 0:
            return version
    subprocess.run([*command, f"litellm[proxy]=={versions[-1]}"], check=True)
    return versions[-1]


def installed(environment: Path) -> str:
    """The version an environment holds. Raises CalledProcessError when it holds none."""
    ask = "import importlib.metadata; print(importlib.metadata.version('litellm'))"
    done = subprocess.run([str(environment / "bin/python"), "-c", ask], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def note(version: str) -> str:
    """What a reader of the figures must know about the version; empty when it is the wanted one."""
    return "" if version == WANTED else f"LiteLLM {version} was measured, not {WANTED}, which was not installable here."


def start(environment: Path, directory: Path, upstream: nginx.Upstream) -> Subject:
    """One worker with a master key and nothing else: no database, no callbacks, so its best figures."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "litellm.yaml"
    config.write_text(_CONFIG.format(port=upstream.port, key=KEY))
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MICROGATE_"))}
    env |= {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(directory)}
    command = [str(environment / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    process = Process("LiteLLM", [*command, "--num_workers", "1"], directory, env)
    one = Subject(f"LiteLLM {installed(environment)}", port, process, overhead_header="x-litellm-overhead-duration-ms")
    one.ready_seconds = wait_until_answered(process, port, one.path("instant"), one.body("instant"), KEY, timeout=120)
    return one


if __name__ == "__main__":
    if sys.argv[1:2] != ["install"] or len(sys.argv) > 4:
        sys.exit("usage: python -m bench.peers.litellm install [DIR [VERSION]]")
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else DIRECTORY
    print(f"LiteLLM {install(where, sys.argv[3:] or RELEASES)} in {where}")

"""The Python pieces of docs/sdks.md run as they stand, but for the address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sdks.md").read_text()
SNIPPETS = dict(re.findall(r"### ([^\n]+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def demo(start_for_module: Start, upstream_for_module: Upstream) -> Gateway:
    return start_for_module(configuration(upstream_for_module.url), more=["--demo"])


def test_every_client_has_its_piece() -> None:
    assert len(SNIPPETS) == 11


@pytest.mark.parametrize("name", SNIPPETS)
def test_it_runs(demo: Gateway, name: str) -> None:
    code = SNIPPETS[name].replace("http://127.0.0.1:8080", demo.base_url)
    environment = {
        **os.environ, "MICROGATE_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()

"""A demo upstream on a real socket in a process of its own, and the official client pointed at it."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from gateway.demo import main
from tests.waiting import PATIENCE_S, wait_for


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@pytest.fixture(scope="session")
def demo_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("demo") / "demo.sock"
    process = multiprocessing.get_context("spawn").Process(target=main.run, args=(str(path),))
    process.start()
    try:
        wait_for(lambda: _listens(str(path)), f"somebody who listens on {path}")
        yield str(path)
    finally:
        process.terminate()
        process.join(PATIENCE_S)
        assert process.exitcode == 0
        assert not path.exists()
        process.close()


@pytest.fixture
def http(demo_socket: str) -> Iterator[httpx.Client]:
    """A plain client; paths are relative to the demo's root."""
    transport = httpx.HTTPTransport(uds=demo_socket)
    with httpx.Client(transport=transport, base_url="http://demo", timeout=20) as client:
        yield client


@pytest.fixture
def sdk(http: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-any", base_url="http://demo/v1", http_client=http, max_retries=0)

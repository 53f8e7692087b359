"""The substitute for nginx answers what nginx answers."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench import answer
from bench.load import nginx, tree
from bench.load.process import NotReady, Process, free_port, wait_for_port
from providers.dialects import load


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Upstream]:
    started = nginx.start_substitute(tmp_path_factory.mktemp("upstream"), free_port(), free_port())
    try:
        yield started
    finally:
        started.process.stop()


def test_the_instant_answer(upstream: nginx.Upstream) -> None:
    got = httpx.post(f"http://127.0.0.1:{upstream.port}/instant/v1/chat/completions", json={})
    assert got.content == answer.chat()
    assert len(got.headers.raw) == 26


def test_the_answer_in_another_dialect(upstream: nginx.Upstream) -> None:
    got = httpx.post(f"http://127.0.0.1:{upstream.port}/translated/v1/messages", json={})
    assert got.content == answer.message()
    said = load("anthropic").decode_answer(got.json())
    assert said.choices[0].parts[0].text == got.json()["content"][0]["text"]  # type: ignore[union-attr]  # a text


def test_the_stream(upstream: nginx.Upstream) -> None:
    got = httpx.post(f"http://127.0.0.1:{upstream.port}/sse/v1/chat/completions", json={})
    assert got.content == b"".join(answer.events())
    assert got.headers["content-type"] == "text/event-stream"


def test_tls_with_a_certificate_that_verifies(upstream: nginx.Upstream) -> None:
    trust = ssl.create_default_context(cafile=str(upstream.ca))
    with httpx.Client(verify=trust) as client:
        assert client.post(f"https://localhost:{upstream.tls_port}/instant/", json={}).content == answer.chat()


def test_calls_are_counted(upstream: nginx.Upstream) -> None:
    url = f"http://127.0.0.1:{upstream.port}"
    before = httpx.get(f"{url}/count").json().get("metered", 0)
    for _ in range(3):
        httpx.post(f"{url}/metered/x", json={})
    assert httpx.get(f"{url}/count").json()["metered"] == before + 3


def test_cpu_and_memory_of_a_tree_are_seen(upstream: nginx.Upstream) -> None:
    seen = tree.snapshot(upstream.process.pid, memory=True)
    assert list(seen.members) == [upstream.process.pid]
    assert seen.cpu_us > 0
    assert 0 < seen.pss <= seen.rss


def test_a_process_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    process = Process("short", [sys.executable, "-c", "print('what went wrong')"], tmp_path)
    with pytest.raises(NotReady, match="what went wrong"):
        wait_for_port(free_port(), process)
    assert not process.alive


def test_stopping_ends_the_children_too(tmp_path: Path) -> None:
    sleeper = "import time; print(1, flush=True); time.sleep(600)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"
    process = Process("parent", [sys.executable, "-u", "-c", script], tmp_path)
    while len(tree.members(process.pid)) < 2 or "1" not in process.log_end():
        assert process.alive
    everybody = tree.members(process.pid)
    process.stop()
    assert not any(_runs(pid) for pid in everybody)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"

from __future__ import annotations

import json
import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.loadgen import cli
from tests.loadgen import demo_server
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=demo_server.serve, args=(theirs,))
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1/chat/completions"
    finally:
        ours.close()
        process.join(PATIENCE_S)
        assert process.exitcode == 0
        process.close()


QUICK = ["--rate", "100", "--seconds", "0.1", "--warmup", "0.02", "--connections", "2"]


def test_json_has_the_whole_report(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([url, *QUICK, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["completed"], report["failed"]) == (10, 0)
    assert report["latency_us"]["count"] == 10


def test_text_is_for_people(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([url, *QUICK, "--stream"])
    shown = capsys.readouterr().out
    assert "10 answered, 0 failed" in shown
    assert "first byte of body" in shown


def test_failures_give_exit_code_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([url, *QUICK, "--model", "error-503"]) == 1
    assert "10 x status 503" in capsys.readouterr().out


def test_a_ramp_is_not_measured(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([url, "--rate", "100", "--seconds", "0.1", "--warmup", "0.2", "--ramp", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["completed"], report["offered_per_s"], report["statuses"]) == (10, 100, {"200": 10})


def test_a_trace_sets_the_moments(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0\n10\n20\n")
    cli.main([url, "--trace", str(path), "--rate", "100", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["sent"], report["seconds"]) == (3, pytest.approx(0.02))


@pytest.mark.parametrize("wrong", ["ftp://x/", "nonsense", "http:///x"])
def test_what_is_no_url_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([wrong]) == 2
    assert "not an http or https URL" in capsys.readouterr().err


def test_nobody_listening_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert cli.main([f"http://127.0.0.1:{probe.getsockname()[1]}/", *QUICK]) == 1
    assert "not connected" in capsys.readouterr().out

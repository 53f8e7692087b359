"""``microgate faults``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.faults.schema import KINDS
from tests.faults.client import call
from tests.waiting import PATIENCE_S

COMMAND = [sys.executable, "-m", "gateway", "faults"]


@contextmanager
def started(*arguments: str) -> Iterator[list[str]]:
    """The lines it says once it listens; it ends in order on SIGINT."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in range(2 if "--control" in arguments else 1)]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0


def refused(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_options() -> None:
    options = ("--listen", "0", "--fault", "status:503,first=1", "--fault", "down:since=1h", "--share", "1")
    with started(*options, "--control", "0") as said:
        assert said[0].endswith("plays a provider, status, down")
        url = said[0].split()[1]
        assert said[1].startswith("control: http://127.0.0.1:")
        assert [call(url, quiet=0.005).answer.status for _ in range(2)] == [503, 200]


def test_a_provider_behind_it() -> None:
    with started("--listen", "0", "--json") as said:
        url = json.loads(said[0])["upstreams"]["provider"]
        with started("--listen", "0", "--upstream", url, "--fault", "latency:1ms") as before:
            name, place, rest = before[0].split(maxsplit=2)
            assert (name, rest) == ("provider:", f"before {url}, latency")
            assert call(place).answer.status == 200


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("upstreams: {a: {faults: [{kind: html, status: 504}]}, b: {}}")
    with started("--config", str(file), "--json") as said:
        urls = json.loads(said[0])["upstreams"]
        assert (call(urls["a"]).answer.status, call(urls["b"]).answer.status) == (504, 200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "latncy:1s"), "did you mean latency?"),
        (("--upstream", "nowhere"), "expected a URL"),
        (("--listen", "x"), "expected a port"),
        (("--share", "2"), "0<=x<=1"),
        (("--config", "/nonexistent/f.yaml"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(*arguments)


def test_a_wrong_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("upstreams:\n  a:\n    faults:\n      - kind: cut\n        aftr: 3\n")
    assert f"{file}:5:9: upstreams.a.faults[0].aftr: unknown field; did you mean after?" in refused(
        "--config", str(file)
    )


def test_help_lists_the_faults() -> None:
    done = subprocess.run([*COMMAND, "--fault", "help"], capture_output=True, text=True, timeout=60, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(KINDS)
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "--upstream URL" in done.stdout

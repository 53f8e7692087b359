"""Processes: starts that cannot succeed, the moment from which callers are served, and life without a database."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.load.process import Process, free_port
from bench.load.result import ROOT
from bench.reliability.callers import Callers
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import PATIENCE_S, instance, wait_until

ENDS_WITHIN_S = 10.0


def _serve(directory: Path, *more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "gateway", "serve", "--data-dir", str(directory / "data"), *more]


def _refused(directory: Path, *more: str) -> tuple[int, float, str]:
    """Exit status, seconds and the last line of a start that has to fail."""
    began = time.monotonic()
    done = subprocess.run(
        _serve(directory, *more), cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if line]
    return done.returncode, time.monotonic() - began, said[0] if said else ""


@figure("E11", guard="tests/processes/test_supervisor.py")
def starts(quick: bool) -> Outcome:
    """Starts that cannot succeed; one without its database; and how callers meet one that succeeds."""
    rounds = 3 if quick else 20
    values: dict[str, object] = {}
    kept = True
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as place:
        directory = Path(place)
        wrong = directory / "wrong.yaml"
        wrong.write_text("providers:\n  mock:\n    dialect: openai_chat\n    base_ulr: http://127.0.0.1/v1\n")
        blocked = directory / "file"
        blocked.touch()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            cases: dict[str, Sequence[str]] = {
                "port taken": ("--port", str(taken.getsockname()[1])),
                "wrong file": ("--port", "0", "--config", str(wrong)),
                "directory that cannot be": ("--port", "0", "--data-dir", str(blocked / "data")),
            }
            for name, more in cases.items():
                status, seconds, said = _refused(directory, *more)
                values[name] = f"status {status} after {seconds:.2f} s"
                kept &= status != 0 and seconds <= ENDS_WITHIN_S and said.startswith(("microgate: ", str(wrong)))
        unanswered = served = 0
        for number in range(rounds):
            met, good = _first_meeting(directory / str(number))
            unanswered += met - good
            served += good
    values["starts under callers"] = rounds
    values["connections taken but not answered"] = unanswered
    return Outcome(values, kept and not unanswered and served == rounds)


def _first_meeting(directory: Path) -> tuple[int, int]:
    """Connections that a start took until one was answered, and how many were answered."""
    port = free_port()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Process("microgate", _serve(directory, "--port", str(port)), directory, environ) as started:
        while started.alive:
            try:
                connection = socket.create_connection(("127.0.0.1", port), 10)
            except OSError:
                time.sleep(0.001)
                continue
            with connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                return 1, int(connection.recv(100).startswith(b"HTTP/1.1 200"))
    return 0, 0


@figure("E12", guard="tests/live/test_processes.py")
def without_database(quick: bool) -> Outcome:
    """The request log's directory is taken away under load, and given back."""
    seconds = 3.0 if quick else 20.0
    with instance() as gateway:
        with Callers(gateway.port, gateway.request(), rate=300) as before:
            time.sleep(seconds)
        log = Path(gateway.paths.log_dir)
        away = log.with_name("log-away")
        with Callers(gateway.port, gateway.request(), rate=300) as during:
            log.rename(away)
            log.touch()
            began = time.monotonic()
            reason = ""
            while "request log" not in reason and time.monotonic() < began + PATIENCE_S:
                reason = gateway.ready().get("reason", "")
            told = time.monotonic() - began
            time.sleep(seconds)
            status = gateway.get("/livez")[0], gateway.get("/readyz")[0]
            probes = [_timed(gateway.port, path) for _ in range(100) for path in ("/livez", "/readyz")]
        log.unlink()
        if log.exists():
            shutil.rmtree(log)
        away.rename(log)
        wait_until(lambda: gateway.ready()["status"] == "ready", "all is well again", 60)
    values = {
        "/livez, /readyz": f"{status[0]}, {status[1]} degraded ({reason}) after {told:.1f} s",
        "a probe takes, median ms": round(statistics.median(probes) * 1e3, 2),
        "requests failed": len(during.failures) + sum(n for code, n in during.statuses.items() if code != 200),
        "slowest answer before and meanwhile, ms": f"{before.slowest_s * 1e3:.0f}, {during.slowest_s * 1e3:.0f}",
    }
    return Outcome(values, status == (200, 200) and "request log" in reason and not values["requests failed"])


def _timed(port: int, path: str) -> float:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        connection.recv(1000)
    return time.monotonic() - began

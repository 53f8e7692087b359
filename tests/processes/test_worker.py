"""The worker's shell with real processes: versions, readiness, running out of descriptors, both event loops."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time

import pytest

from tests.processes.harness import Gateway, ask
from tests.waiting import wait_for


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_both_event_loops_serve_and_drain(gateway: Gateway, loop: str) -> None:
    gateway.options["loop"] = loop
    gateway.start(workers=2)
    wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert "Traceback" not in gateway.err


def test_a_published_version_is_applied_and_control_complaints_are_passed_on(gateway: Gateway) -> None:
    gateway.start(workers=1, control="channel")
    wait_for(lambda: gateway.get("/version") == "2", "the worker serves version 2")
    wait_for(lambda: gateway.get("/ready") == "True the database is away", "readiness names the database")
    # A worker that comes later is told as well.
    first = gateway.worker(0)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: gateway.replaced(0, first), "a successor runs")
    wait_for(lambda: gateway.get("/version") == "2", "the successor serves version 2")


def test_readiness_is_red_while_a_worker_does_not_serve(gateway: Gateway) -> None:
    gateway.start(workers=2)
    # Behind it stands after a while that control is away, which here says nothing to workers.
    with connected_to(gateway, 0) as other:
        wait_for(lambda: ask(other, "/ready").startswith("True"), "all is well")
        os.kill(gateway.worker(1), signal.SIGSTOP)
        wait_for(lambda: ask(other, "/ready").startswith("False worker 1 does not serve"), "the other sees it")
        os.kill(gateway.worker(1), signal.SIGKILL)
        wait_for(lambda: ask(other, "/ready").startswith("True"), "all is well again")
    wait_for(lambda: all(gateway.get("/ready").startswith("True") for _ in range(20)), "both say so")


def connected_to(gateway: Gateway, slot: int) -> socket.socket:
    """A connection that this worker has taken: a new one may wait in the queue of one that stands still."""

    def taken() -> socket.socket | None:
        sock = gateway.connect()
        if ask(sock, "/slot") == str(slot):
            return sock
        sock.close()
        return None

    found = wait_for(taken, f"a connection to worker {slot}")
    assert found is not None
    return found


def test_a_lone_drain_is_followed_by_a_successor_without_a_refused_caller(gateway: Gateway) -> None:
    gateway.start(workers=2)
    first = gateway.worker(0)
    os.kill(first, signal.SIGTERM)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert gateway.get() == "ok"
    wait_for(lambda: gateway.replaced(0, first), "a successor runs")
    wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer")


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_out_of_descriptors_refuses_callers_without_spinning(gateway: Gateway, loop: str) -> None:
    gateway.options["loop"] = loop
    gateway.start(workers=1)
    pid = gateway.worker(0)
    established = [gateway.connect()]
    assert ask(established[0]) == "ok"
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, used + 1 + 1000))
    before = cpu_seconds(pid)
    began = time.monotonic()
    refused = 0
    while refused < 30:
        sock = gateway.connect()
        try:
            # Numbers below the highest may be free: who gets one of those stays connected and so fills it.
            ask(sock)
            established.append(sock)
        except ConnectionError:
            refused += 1
            sock.close()
    while time.monotonic() - began < 3:
        time.sleep(0.05)
    assert cpu_seconds(pid) - before < 1.0
    for sock in established:
        assert ask(sock) == "ok"
        sock.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1000, 1000))

    def answers() -> bool:
        try:
            return gateway.get() == "ok"
        except OSError:
            return False

    wait_for(answers, "it takes connections again")
    assert gateway.worker(0) == pid

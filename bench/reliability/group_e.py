"""Processes: workers and supervisors that are killed, reloaded and replaced under load."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.reliability.callers import Callers, load_rate
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import Instance, instance, wait_until
from gateway.processes.heartbeat import DRAINING
from tests.beside import Beside

REPLACED_WITHIN_S = 1.0
NOTICED_WITHIN_S = 2.0
MOST_PAUSE_S = 30.0


def failed(callers: Callers) -> int:
    """Requests without a good answer."""
    return len(callers.failures) + sum(count for status, count in callers.statuses.items() if status != 200)


@figure("E1", guard="tests/processes/test_supervisor.py")
def killed_workers(quick: bool) -> Outcome:
    """One worker after the other is killed under load."""
    rounds = 4 if quick else 50
    back: list[float] = []
    kills: list[float] = []
    with instance() as gateway:
        rate = load_rate(gateway.port, gateway.request())
        time.sleep(2)
        before = gateway.recorded()
        with Callers(gateway.port, gateway.request(), rate=rate) as callers:
            time.sleep(1)
            for number in range(rounds):
                worker = number % 2
                victim = gateway.pids()[worker]
                kills.append(time.monotonic())
                os.kill(victim, signal.SIGKILL)
                replaced = lambda w=worker, v=victim: gateway.pids().get(w, v) != v and gateway.accepts(w)  # noqa: E731
                wait_until(replaced, "its successor accepts")
                back.append(time.monotonic() - kills[-1])
                time.sleep(1.2)
        time.sleep(3)
        counted = gateway.recorded() - before
    # A request belongs to the last kill before it failed; it was in flight when it had begun by then.
    running = late_fresh = late_kept = worst = 0
    for kill, until in zip(kills, [*kills[1:], float("inf")], strict=True):
        failures = [one for one in callers.failures if kill <= one.ended < until]
        begun = sum(one.began <= kill for one in failures)
        running += begun
        worst = max(worst, begun)
        late_fresh += sum(one.began > kill and not one.asked_before for one in failures)
        late_kept += sum(one.began > kill and one.asked_before > 0 for one in failures)
    otherwise = failed(callers) - running - late_fresh - late_kept
    # A request that failed may or may not have reached the worker; one that was answered has left its record.
    lost = max(0, callers.answered - counted)
    values = {
        "rounds": rounds,
        "requests a second": round(callers.per_second),
        "answered": callers.answered,
        "failed in flight at the kill": running,
        "most of these in a round": worst,
        "sent to the dead worker before the kernel had closed its connections": late_kept,
        "failed on fresh connections made after the kill": late_fresh,
        "failed otherwise": otherwise,
        "records lost": lost,
        "successor accepts after, median s": round(statistics.median(back), 2),
        "at most, s": round(max(back), 2),
    }
    return Outcome(values, not (late_fresh or otherwise or lost) and max(back) <= REPLACED_WITHIN_S)


@figure("E2", guard="tests/processes/test_slot.py")
def crash_loop(quick: bool) -> Outcome:
    """Worker 1 cannot open its ring, so it ends at every start, for as long as a directory stands in the ring's
    place."""
    seconds = 10.0 if quick else 80.0
    with instance() as gateway:
        rate = load_rate(gateway.port, gateway.request())
        supervisor = gateway.supervisor
        ring = Path(gateway.paths.ring(gateway.place(1)))
        ring.rename(ring.with_suffix(".away"))
        ring.mkdir()
        (ring / "in-the-way").touch()
        os.kill(gateway.pids()[1], signal.SIGKILL)
        time.sleep(1)
        began = time.monotonic()
        red = asked = 0
        with Callers(gateway.port, gateway.request(), rate=rate) as callers:
            while time.monotonic() < began + seconds:
                asked += 1
                red += gateway.get("/readyz")[0] == 503
                time.sleep(0.1)
        pauses = [float(line.split("next start in ")[1].split()[0]) for line in _lines(gateway, "worker 1 exited")]
        alive = gateway.supervisor == supervisor
        shutil.rmtree(ring)
        ring.with_suffix(".away").rename(ring)
        gone = time.monotonic()
        wait_until(lambda: gateway.accepts(1), "worker 1 serves again")
        back = time.monotonic() - gone
    values = {
        "starts": len(pauses),
        "longest pause, s": max(pauses),
        "requests a second to the other": round(callers.per_second),
        "failed": failed(callers),
        "readiness red": f"{red} of {asked} times",
        "the cause gone, it serves after, s": round(back, 1),
    }
    kept = alive and not failed(callers) and red == asked and sorted(pauses) == pauses
    return Outcome(values, kept and (quick or max(pauses) == MOST_PAUSE_S))


def _lines(gateway: Instance, text: str) -> list[str]:
    return [line for line in gateway.said().splitlines() if text in line and "next start in" in line]


@figure("E3", guard="tests/live/test_processes.py")
def reloads(quick: bool) -> Outcome:
    """A changed file and SIGHUP, again and again."""
    every, seconds = (2.0, 10.0) if quick else (10.0, 600.0)
    with instance() as gateway:
        rate = load_rate(gateway.port, gateway.request())
        first = gateway.ready()["snapshot"]
        with Callers(gateway.port, gateway.request(), rate=rate) as callers:
            for number in range(round(seconds / every)):
                time.sleep(every)
                gateway.rewrite(lambda config, number=number: _another_key(config, number))
                os.kill(gateway.supervisor, signal.SIGHUP)
            time.sleep(1)
        versions = gateway.ready()["snapshot"] - first
    values = {
        "versions published": versions,
        "requests a second": round(callers.per_second),
        "answered": callers.answered,
        "failed": failed(callers),
        "slowest answer, s": round(callers.slowest_s, 3),
    }
    return Outcome(values, not failed(callers) and versions >= round(seconds / every))


def _another_key(config: dict[str, Any], number: int) -> None:
    keys = [key for key in config["virtual_keys"] if key["name"] == "bench"]
    limits = [{"requests": 5 + number, "per": "60s"}]
    more = [{"name": f"k{i}", "value": f"sk-round-{i:032d}", "limits": limits} for i in range(1 + number % 3)]
    config["virtual_keys"] = keys + more


@figure("E4", guard="tests/live/test_upgrade.py")
def upgrades(quick: bool) -> Outcome:
    """Upgrade after upgrade, with kept and with fresh connections and streams across each."""
    rounds = 3 if quick else 20
    took: list[float] = []
    with instance() as gateway:
        rate = load_rate(gateway.port, gateway.request())
        with (
            Callers(gateway.port, gateway.request(), rate=rate * 0.8) as kept,
            Callers(gateway.port, gateway.request(), count=16, rate=rate * 0.2, fresh=True) as fresh,
            _Streams(gateway) as streams,
        ):
            for _ in range(rounds):
                old = [gateway.supervisor, *(pid for _, pid in gateway.children())]
                took.append(gateway.upgrade())
                wait_until(lambda old=old: not any(map(_alive, old)), "nothing is left of the old one")
                time.sleep(1)
    reasons = [one.why for one in kept.failures + fresh.failures] + streams.broken
    values = {
        "upgrades": rounds,
        "requests a second": round(kept.per_second + fresh.per_second),
        "answered": kept.answered + fresh.answered,
        "refused": sum("Refused" in why for why in reasons),
        "reset": sum("Reset" in why for why in reasons),
        "failed in all": failed(kept) + failed(fresh) + len(streams.broken),
        "streams whole": streams.whole,
        "slowest answer, s": round(max(kept.slowest_s, fresh.slowest_s), 2),
        "an upgrade takes, median s": round(statistics.median(took), 2),
    }
    return Outcome(values, not values["failed in all"] and streams.whole > 0)


class _Streams(Beside):
    """Streams of a second, one after another on connections of their own, several at once."""

    def __init__(self, gateway: Instance, count: int = 8) -> None:
        super().__init__(count)
        self.whole = 0
        self.broken: list[str] = []
        self._port, self._request = gateway.port, gateway.request(kind="sse")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 30) as sock:
                    sock.sendall(self._request)
                    data = b""
                    while not data.endswith(b"0\r\n\r\n") and (piece := sock.recv(65536)):
                        data += piece
                if b"data: [DONE]" in data:
                    self.whole += 1
                else:
                    self.broken.append(f"cut after {len(data)} bytes")
            except OSError as error:
                self.broken.append(repr(error))


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@figure("E5", guard="tests/processes/test_supervisor.py")
def killed_supervisor(quick: bool) -> Outcome:
    """The supervisor is killed under load, with a stream of 26 seconds under way (short: of one second)."""
    with instance() as gateway:
        everybody = [gateway.supervisor, *(pid for _, pid in gateway.children())]
        rate = load_rate(gateway.port, gateway.request())
        with _stream(gateway, "sse" if quick else "sse-slow") as stream:
            with Callers(gateway.port, gateway.request(), rate=rate) as callers:
                time.sleep(1)
                killed = time.monotonic()
                os.kill(gateway.supervisor, signal.SIGKILL)
                places = [gateway.place(index) for index in range(gateway.workers)]
                wait_until(lambda: all(gateway.arena.status(at)[3] == DRAINING for at in places), "all drain")
                noticed = time.monotonic() - killed
                wait_until(lambda: not _connects(gateway.port), "connections are refused")
                refused = time.monotonic() - killed
            whole = stream.result()
        wait_until(lambda: not any(map(_alive, everybody)), "all have ended")
        ended = time.monotonic() - killed
    values = {
        "all workers have noticed after, s": round(noticed, 3),
        "connections are refused after, s": round(refused, 2),
        "requests begun before that failed": sum(one.began < killed for one in callers.failures),
        "the stream under way": "whole" if whole else "cut",
        "last process gone after, s": round(ended, 1),
    }
    return Outcome(values, noticed <= NOTICED_WITHIN_S and whole and not values["requests begun before that failed"])


class _Reading:
    def __init__(self, gateway: Instance, kind: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", gateway.port), 60)
        self._sock.sendall(gateway.request(kind=kind))
        self._data = self._sock.recv(65536)

    def result(self) -> bool:
        """Read to the end; whether it was whole."""
        with self._sock:
            while not self._data.endswith(b"0\r\n\r\n") and (piece := self._sock.recv(65536)):
                self._data += piece
        return b"data: [DONE]" in self._data


@contextlib.contextmanager
def _stream(gateway: Instance, kind: str) -> Iterator[_Reading]:
    yield _Reading(gateway, kind)


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

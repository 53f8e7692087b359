"""Processes: workers and supervisors that are killed, frozen, reloaded and replaced under load."""

from __future__ import annotations

import os
import re
import signal
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from bench.load.session import Options, Session
from bench.load.subject import Subject
from bench.reliability.callers import Callers, load_rate
from bench.reliability.figures import Outcome, figure
from gateway.loadgen import message

REPLACED_WITHIN_S = 1.0


@contextmanager
def gateway(workers: int = 2) -> Iterator[Subject]:
    """A gateway with limits and fallbacks (bench/p1.yaml) before an upstream that answers at once."""
    with Session(Options()) as session:
        subject = session.microgate(workers=workers)
        if subject is None:
            raise RuntimeError(session.missing["microgate"])
        session.calm([subject])
        yield subject


def request(subject: Subject) -> bytes:
    """A chat request."""
    host = f"127.0.0.1:{subject.port}"
    return message.request(host, subject.path("instant"), subject.key, subject.body("instant"))


def workers(subject: Subject) -> dict[int, int]:
    """index -> pid."""
    found = {}
    for member in subject.snapshot().members.values():
        if index := re.fullmatch(r"mg-worker-(\d+)", member.name):
            found[int(index[1])] = member.pid
    return found


def recorded(subject: Subject) -> int:
    """Requests of which control has a record."""
    with urllib.request.urlopen(f"http://127.0.0.1:{subject.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(sum(float(count) for count in re.findall(r"(?m)^microgate_requests_total\{[^}]*\} (\S+)", text)))


def accepts(subject: Subject, worker: int) -> bool:
    """Whether this worker answers one of a few fresh connections, and all serve."""
    url = f"http://127.0.0.1:{subject.port}/readyz"
    for _ in range(8):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if f'"worker":{worker},' in answer.read().decode():
                    return True
        except OSError:
            return False
    return False


@figure("E1", guard="tests/processes/test_supervisor.py")
def killed_workers(quick: bool) -> Outcome:
    """One worker after the other is killed under load."""
    rounds = 4 if quick else 50
    back: list[float] = []
    kills: list[float] = []
    with gateway() as subject:
        asked = request(subject)
        rate = load_rate(subject.port, asked)
        time.sleep(2)
        before = recorded(subject)
        with Callers(subject.port, asked, rate=rate) as callers:
            time.sleep(1)
            for number in range(rounds):
                victim = workers(subject)[number % 2]
                kills.append(time.monotonic())
                os.kill(victim, signal.SIGKILL)
                while workers(subject).get(number % 2, victim) == victim or not accepts(subject, number % 2):
                    time.sleep(0.005)
                back.append(time.monotonic() - kills[-1])
                time.sleep(1.2)
        time.sleep(3)
        counted = recorded(subject) - before
    # A request belongs to the last kill before it failed; it was in flight when it had begun by then.
    running = late_fresh = late_kept = 0
    worst = 0
    for kill, until in zip(kills, [*kills[1:], float("inf")], strict=True):
        failures = [one for one in callers.failures if kill <= one.ended < until]
        begun = [one for one in failures if one.began <= kill]
        running += len(begun)
        worst = max(worst, len(begun))
        late_fresh += sum(one.began > kill and not one.asked_before for one in failures)
        late_kept += sum(one.began > kill and one.asked_before > 0 for one in failures)
    unforeseen = len(callers.failures) - running - late_fresh - late_kept
    # A request that failed may or may not have reached the worker; one that was answered has left its record.
    lost = max(0, callers.answered - counted)
    values = {
        "rounds": rounds,
        "requests a second": round(callers.per_second),
        "answered": callers.answered,
        "failed in flight at the kill": running,
        "most of these in a round": worst,
        "failed on fresh connections made after the kill": late_fresh,
        "sent to the dead worker before the kernel had closed its connections": late_kept,
        "failed otherwise": unforeseen + sum(count for status, count in callers.statuses.items() if status != 200),
        "records lost": lost,
        "successor accepts after, median s": round(statistics.median(back), 2),
        "at most, s": round(max(back), 2),
    }
    kept = not (late_fresh or values["failed otherwise"] or lost) and max(back) <= REPLACED_WITHIN_S
    return Outcome(values, kept)

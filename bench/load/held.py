"""Requests and streams held at once: 8,000 in flight (P4), streams held (P5); memory idle, loaded and after a rest."""

from __future__ import annotations

import time
from typing import Any

from bench import answer
from bench.load import placement, result
from bench.load.openloop import Load
from bench.load.session import SETTLE, Options, Session, cpu_figures
from bench.load.subject import Subject

MIB = 2**20
SPARE = 1.05
"""Connections opened beyond those that will be in flight, so that none is opened under load."""

MOST = 1.15
"""Connections there may be beyond them. A gateway that falls behind must not be drowned in connections until it has no
descriptors left: it needs two a request, and a process has 20,000 on many systems."""


def _memory(one: Subject) -> dict[str, float]:
    """RSS of supervisor and workers, and RSS and PSS of the whole tree, MiB."""
    seen = one.snapshot(memory=True)
    roles = one.roles(seen)
    inner = [member for pid, member in seen.members.items() if roles[pid] in ("supervisor", "worker")]
    return {
        "data_plane_rss_mib": round(sum(member.rss for member in inner) / MIB, 1),
        "data_plane_pss_mib": round(sum(member.pss for member in inner) / MIB, 1),
        "tree_rss_mib": round(seen.rss / MIB, 1),
        "tree_pss_mib": round(seen.pss / MIB, 1),
    }


RAMP = 6.0
"""Seconds in which P4's rate grows, not measured."""


class Held:
    """One subject's load, and what its memory was before, meanwhile and after."""

    def __init__(self, session: Session, one: Subject, kind: str, **how: Any) -> None:
        self._subject = one
        self._idle = _memory(one)
        self._peak = dict(self._idle)
        before = one.snapshot()
        report = Load(session.directory, one, kind, **how).result(2.0, self._look)
        self._ended = time.monotonic()
        time.sleep(SETTLE)
        kept = (
            "failed", "failures", "peak_in_flight", "void", "latency_us", "late_us", "sent", "completed", "ttft_us",
            "generator_cpu_us_per_request",
        )  # fmt: skip
        self.figures: dict[str, Any] = {name: report[name] for name in kept}
        self.figures |= cpu_figures(one, before, one.snapshot(), report["sent"])
        self.figures |= {"offered": round(how["rate"], 1), "idle": self._idle, "peak": self._peak}
        print(
            f"  {one.name:<18} {report['failed']} failed, {report['peak_in_flight']} in flight, "
            f"{self._peak['data_plane_rss_mib']} MiB {report['void']}"
        )

    def _look(self) -> None:
        for name, value in _memory(self._subject).items():
            self._peak[name] = max(self._peak[name], value)

    def rest(self, seconds: float) -> dict[str, Any]:
        """The figures, memory ``seconds`` after the load among them; waits for what is left of them, and ends the
        subject."""
        time.sleep(max(0.0, self._ended + seconds - time.monotonic()))
        after = _memory(self._subject)
        ratio = after["data_plane_rss_mib"] / (self._idle["data_plane_rss_mib"] or 1)
        self._subject.stop()
        print(f"  {self._subject.name:<18} {seconds:g} s later {after['data_plane_rss_mib']} MiB, {ratio:.2f} x idle")
        return self.figures | {"after": after, "after_ratio": round(ratio, 2), "rested_seconds": seconds}


def p4(options: Options) -> None:
    """8,000 requests in flight: 5,000 a second while the upstream takes 1.6 s."""
    seconds = options.seconds if options.quick else max(options.seconds, 20.0)
    rest = 0.0 if options.quick else options.settle
    with Session(options) as session:
        subjects = session.usual()
        session.place(subjects)
        figures: dict[str, Any] = {"rate": options.rate, "seconds": seconds, "subjects": {}}
        for one in subjects:
            rate = session.bearable(one, "instant")
            waiting = int(rate * answer.DELAY * SPARE)
            load = Held(
                session, one, "delay", rate=rate, seconds=seconds, warmup=RAMP, ramp=True, connections=waiting,
                max_connections=int(rate * answer.DELAY * MOST) + 64,
            )  # fmt: skip
            # To its end before the next begins: 8,000 connections that stay open to the upstream leave few local ports,
            # and the next subject's dials wait for the kernel's search.
            figures["subjects"][one.name] = load.rest(rest)
        figures |= session.remarks
    result.write(
        "p4",
        "8,000 requests in flight",
        f"Open loop, {options.rate:g} requests a second at even distances for {seconds:g} s after {RAMP:g} s in which "
        "the rate grew from nothing (8,000 connections to a provider are not opened in one second), "
        f"upstream answering after {answer.DELAY} s (echo module of nginx); as many connections as requests in flight. "
        "The pure build is offered half of its own capacity. Memory is RSS of supervisor and worker: idle, highest "
        f"while loaded, and {rest:g} s after the load. {placement.method()}",
        figures,
        quick=options.quick,
    )


STREAMS = 8000
PURE_STREAMS = 2000


def streams(session: Session, subjects: list[Subject]) -> dict[str, Any]:
    """Streams of an event a second held at once, by subject; the pure build holds fewer.

    Connections are opened as streams begin: one that waits half a minute for its first request is closed by its server.
    """
    length = (len(answer.held_events()) - 1) * answer.HELD_PACE
    ramp = length * 0.7
    figures = {}
    for one in subjects:
        count = 400 if session.options.quick else PURE_STREAMS if one.implementation == "pure" else STREAMS
        load = Held(
            session, one, "sse-slow", rate=(count + 0.5) / ramp, seconds=ramp, warmup=0.0,
            connections=64, timeout=length + 20,
        )  # fmt: skip
        figures[one.name] = load.rest(0.0) | {"wanted": count}
    return figures

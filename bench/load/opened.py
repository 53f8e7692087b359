"""Open-loop cases: the gateway's own time (P2), 8,000 in flight (P4), streams (P5)."""

from __future__ import annotations

import time
from typing import Any

from bench import answer
from bench.load import result, statistics, subject
from bench.load.openloop import Load, load
from bench.load.session import SETTLE, Options, Session, cpu_figures
from bench.load.subject import Subject

MIB = 2**20


def p2(options: Options) -> None:
    """The gateway's own time in a request at 5,000 requests a second, and the end-to-end difference beside it."""
    with Session(options) as session:
        subjects = [subject.direct(session.upstream), *session.usual()]
        rows: dict[str, list[dict[str, Any]]] = {one.name: [] for one in subjects}
        for _, one in session.each_round(subjects):
            report = load(session.directory, one, "instant", rate=options.rate, seconds=options.seconds)
            rows[one.name].append(report)
            own = report["header_us"]
            print(
                f"  {one.name:<18} p50 {report['latency_us'].get('p50', 0):>8} us, own p50/p99 "
                f"{own.get('p50', '-')}/{own.get('p99', '-')} us {report['void']}"
            )
        figures: dict[str, Any] = {"rate": options.rate, "subjects": {}, **session.remarks}
        for name, seen in rows.items():
            figures["subjects"][name] = _latencies(seen, rows["direct"])
    result.write(
        "p2",
        "The gateway's own time in a request",
        f"{options.rounds} interleaved rounds of {options.seconds:g} s, open loop, {options.rate:g} requests a "
        "second at even distances, latency from the intended send time. Own time is what the gateway states in its "
        "answer's header (request complete to written upstream, and the answer's head and body from the last byte "
        "read to written). 'Added' is the percentile less that of the upstream alone in the same round.",
        figures,
        quick=options.quick,
    )


Reports = list[dict[str, Any]]


def _counting(seen: Reports, direct: Reports) -> list[int]:
    """Rounds in which neither the subject's run nor the upstream's own was void; all of them when none is left, which
    ``void`` then says."""
    good = [i for i, (one, other) in enumerate(zip(seen, direct, strict=True)) if not one["void"] and not other["void"]]
    return good or list(range(len(seen)))


def _circumstances(seen: Reports, direct: Reports) -> dict[str, Any]:
    reasons = [one["void"] or other["void"] for one, other in zip(seen, direct, strict=True)]
    void = [reason for reason in reasons if reason]
    return {
        "failed": sum(report["failed"] for report in seen),
        "void_rounds": void,
        "void": void[0] if len(void) == len(seen) else "",
    }


def _latencies(everything: Reports, everything_direct: Reports) -> dict[str, Any]:
    rounds = _counting(everything, everything_direct)
    seen, direct = [everything[i] for i in rounds], [everything_direct[i] for i in rounds]
    figures: dict[str, Any] = _circumstances(everything, everything_direct) | {
        "generator_cpu_us": statistics.summary([report["generator_cpu_us_per_request"] for report in seen], 1),
    }
    for percentile in ("p50", "p99"):
        pairs = [(r["latency_us"], d["latency_us"]) for r, d in zip(seen, direct, strict=True)]
        pairs = [(r, d) for r, d in pairs if r["count"] and d["count"]]
        figures[f"latency_{percentile}_us"] = statistics.summary([r[percentile] for r, _ in pairs], 1)
        figures[f"added_{percentile}_us"] = statistics.summary([r[percentile] - d[percentile] for r, d in pairs], 1)
        own = [report["header_us"][percentile] for report in seen if report["header_us"]["count"]]
        if own:
            figures[f"own_{percentile}_us"] = statistics.summary(own, 1)
    return figures


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


class _Watch:
    """The largest memory figures seen while a load runs."""

    def __init__(self, one: Subject) -> None:
        self._subject = one
        self.peak: dict[str, float] = _memory(one)

    def __call__(self) -> None:
        for name, value in _memory(self._subject).items():
            self.peak[name] = max(self.peak[name], value)


def _loaded(session: Session, one: Subject, kind: str, **how: Any) -> dict[str, Any]:
    """A load with memory before, at its peak, and after a rest."""
    idle = _memory(one)
    watch = _Watch(one)
    before = one.snapshot()
    report = Load(session.directory, one, kind, **how).result(2.0, watch)
    time.sleep(SETTLE)
    cpu = cpu_figures(one, before, one.snapshot(), report["sent"])
    rest = 0.0 if session.options.quick else session.options.settle
    time.sleep(rest)
    after = _memory(one)
    base = idle["data_plane_rss_mib"] or 1
    figures = {"idle": idle, "peak": watch.peak, "after": after, "rested_seconds": rest}
    figures["after_ratio"] = round(after["data_plane_rss_mib"] / base, 2)
    kept = ("failed", "failures", "peak_in_flight", "void", "latency_us", "late_us", "sent", "completed", "ttft_us")
    figures |= {name: report[name] for name in kept}
    print(
        f"  {one.name:<18} {report['failed']} failed, {report['peak_in_flight']} in flight, "
        f"{watch.peak['data_plane_rss_mib']} MiB, {report['void']}"
    )
    return figures | cpu


def p4(options: Options) -> None:
    """8,000 requests in flight: 5,000 a second while the upstream takes 1.6 s."""
    seconds = options.seconds if options.quick else max(options.seconds, 20.0)
    waiting = int(options.rate * answer.DELAY * 1.05)
    with Session(options) as session:
        subjects: dict[str, Any] = {}
        for one in session.usual():
            subjects[one.name] = _loaded(
                session, one, "delay", rate=options.rate, seconds=seconds, warmup=2.0, connections=waiting
            )
            one.stop()
        figures = {"rate": options.rate, "seconds": seconds, "subjects": subjects, **session.remarks}
    result.write(
        "p4",
        "8,000 requests in flight",
        f"Open loop, {options.rate:g} requests a second for {seconds:g} s, upstream answering after {answer.DELAY} s. "
        "Memory of supervisor and worker (RSS) idle, highest while loaded, and after a rest.",
        figures,
        quick=options.quick,
    )


def p5(options: Options) -> None:
    """Streams: added time to the first token, CPU per relayed event, and how many are held at once."""
    events = len(answer.events())
    rate = 20.0 if options.quick else 100.0
    hold = 400 if options.quick else 8000
    length = (events - 1) * 1.0
    with Session(options) as session:
        subjects = [subject.direct(session.upstream), *session.usual()]
        rows: dict[str, list[dict[str, Any]]] = {one.name: [] for one in subjects}
        for _, one in session.each_round(subjects):
            before = one.snapshot()
            report = load(session.directory, one, "sse", rate=rate, seconds=options.seconds)
            time.sleep(SETTLE)
            # The generator's own warm-up second is relayed as well.
            relayed = int((options.seconds + 1) * rate) * events
            cpu = cpu_figures(one, before, one.snapshot(), relayed)
            rows[one.name].append(report | cpu)
            print(
                f"  {one.name:<18} TTFT p50 {report['ttft_us'].get('p50', '-')} us, {cpu['cpu_us']:.2f} us/event "
                f"{report['void']}"
            )
        figures: dict[str, Any] = {"rate": rate, "events": events, "subjects": {}, **session.remarks}
        for name, seen in rows.items():
            figures["subjects"][name] = _stream_figures(seen, rows["direct"], rows.get("nginx"))
        figures["held"] = {}
        # A minute and a half each: a quick run is content with nginx and the compiled build.
        for one in subjects[1:3] if options.quick else subjects[1:]:
            figures["held"][one.name] = _loaded(
                session, one, "sse-slow", rate=hold / (length / 2), seconds=length / 2 + 4, warmup=0,
                connections=64, timeout=length + 30,
            )  # fmt: skip
            one.stop()
    result.write(
        "p5",
        "Streams",
        f"{options.rounds} interleaved rounds of {options.seconds:g} s, open loop, {rate:g} streams a second of "
        f"{events} events at {answer.PACE * 1000:g} ms (echo module of nginx), nginx with proxy_buffering off. Time "
        f"to the first byte of the body from the intended send time. Then {hold} streams of one event a second held "
        "at once.",
        figures,
        quick=options.quick,
    )


def _stream_figures(everything: Reports, everything_direct: Reports, nginx: Reports | None) -> dict[str, Any]:
    rounds = _counting(everything, everything_direct)
    seen, direct = [everything[i] for i in rounds], [everything_direct[i] for i in rounds]
    figures: dict[str, Any] = _circumstances(everything, everything_direct) | {
        "cpu_us_per_event": statistics.summary([report["cpu_us"] for report in seen]),
    }
    if nginx is not None:
        base = [nginx[i] for i in rounds]
        ratios = [r["cpu_us"] / b["cpu_us"] for r, b in zip(seen, base, strict=True) if b["cpu_us"]]
        figures["cpu_ratio"] = statistics.summary(ratios)
    for percentile in ("p50", "p99"):
        pairs = [(r["ttft_us"], d["ttft_us"]) for r, d in zip(seen, direct, strict=True)]
        pairs = [(r, d) for r, d in pairs if r["count"] and d["count"]]
        figures[f"ttft_{percentile}_us"] = statistics.summary([r[percentile] for r, _ in pairs], 1)
        figures[f"added_ttft_{percentile}_us"] = statistics.summary(
            [r[percentile] - d[percentile] for r, d in pairs], 1
        )
    return figures

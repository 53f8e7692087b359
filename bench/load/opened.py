"""Open-loop cases: the gateway's own time (P2), streams (P5)."""

from __future__ import annotations

import time
from typing import Any

from bench import answer
from bench.load import closed, held, placement, result, statistics, subject
from bench.load.openloop import load
from bench.load.session import SETTLE, Options, Session, cpu_figures

WARMUP = 1.0
"""Seconds the generator sends before it measures."""


STREAMS_PER_SECOND = 97.0
"""No divisor of the events' pace: at 100 a second every stream would begin just when all others have an event."""


def p2(options: Options) -> None:
    """The gateway's own time in a request at 5,000 requests a second, and the end-to-end difference beside it."""
    with Session(options) as session:
        subjects = [subject.direct(session.upstream), *session.usual(), *session.limited()]
        session.place(subjects)
        rates = {one.name: session.bearable(one, "instant") for one in subjects}
        figures: dict[str, Any] = {"rate": options.rate, **session.remarks}
        with placement.awake():
            figures["subjects"] = _own_time(session, subjects, rates)
        print("  cores asleep between requests:")
        figures["asleep"] = _own_time(session, [one for one in subjects if one.implementation != "pure"], rates)
    result.write(
        "p2",
        "The gateway's own time in a request",
        f"{options.rounds} interleaved rounds of {options.seconds:g} s, open loop, {options.rate:g} requests a "
        "second at even distances (the pure build: half of its own capacity), latency from the intended send time. "
        "850 B chat requests with 17 headers, 1.5 KB answers with 26, static nginx upstream. Own time is what the "
        "gateway states in its answer's header: request complete to written upstream, and the upstream's last byte "
        "read to answer written, head and body leaving together. 'Added' is the percentile less that of the upstream "
        f"alone in the same round. {placement.method()} {closed.AWAKE}",
        figures,
        quick=options.quick,
    )


def _own_time(session: Session, subjects: list[subject.Subject], rates: dict[str, float]) -> dict[str, Any]:
    """Rounds of P2 and what they say."""
    rows: dict[str, Reports] = {one.name: [] for one in subjects}
    seconds = session.options.seconds
    for _, one in session.each_round(subjects):
        before = one.snapshot()
        report = load(session.directory, one, "instant", rate=rates[one.name], seconds=seconds, warmup=WARMUP)
        time.sleep(SETTLE)
        report |= cpu_figures(one, before, one.snapshot(), int(rates[one.name] * (seconds + WARMUP)))
        rows[one.name].append(report)
        own = report["header_us"]
        print(
            f"  {one.name:<18} {rates[one.name]:>6.0f}/s p50 {report['latency_us'].get('p50', 0):>8} us, own "
            f"p50/p99 {own.get('p50', '-')}/{own.get('p99', '-')} us, generator "
            f"{report['generator_cpu_us_per_request']} us/request {report['void']}"
        )
    return {name: _latencies(seen, rows["direct"]) | {"offered": round(rates[name], 1)} for name, seen in rows.items()}


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
        "late_p99_us": statistics.summary([report["late_us"].get("p99", 0) for report in seen], 1),
        "cpu_us": statistics.summary([report["cpu_us"] for report in seen]),
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


def p5(options: Options) -> None:
    """Streams: added time to the first token, CPU per relayed event, and how many are held at once."""
    events = len(answer.events())
    rate = 19.0 if options.quick else STREAMS_PER_SECOND
    with Session(options) as session:
        subjects = [subject.direct(session.upstream), *session.usual()]
        session.place(subjects)
        rows: dict[str, Reports] = {one.name: [] for one in subjects}
        for _, one in session.each_round(subjects):
            before = one.snapshot()
            waiting = int(rate * events * answer.PACE * held.SPARE) + 8
            report = load(
                session.directory, one, "sse", rate=rate, seconds=options.seconds, warmup=WARMUP, connections=waiting
            )
            time.sleep(SETTLE)
            # The generator's own warm-up second is relayed as well.
            relayed = int((options.seconds + WARMUP) * rate) * events
            cpu = cpu_figures(one, before, one.snapshot(), relayed)
            rows[one.name].append(report | cpu)
            print(
                f"  {one.name:<18} TTFT p50 {report['ttft_us'].get('p50', '-')} us, {cpu['cpu_us']:.2f} us/event, "
                f"{report['failed']} failed {report['void']}"
            )
        figures: dict[str, Any] = {"rate": rate, "events": events, "subjects": {}, **session.remarks}
        for name, seen in rows.items():
            figures["subjects"][name] = _stream_figures(seen, rows["direct"], rows.get("nginx"))
        figures["held"] = held.streams(session, [one for one in subjects if one.implementation])
    result.write(
        "p5",
        "Streams",
        f"{options.rounds} interleaved rounds of {options.seconds:g} s, open loop, {rate:g} streams a second of "
        f"{events} events, one every {answer.PACE * 1000:g} ms (echo module of nginx), nginx with proxy_buffering off. "
        "Time to the first byte of the body from the intended send time; 'added' is less that of the upstream alone "
        "in the same round. CPU is that of the whole process tree, records included, divided by events. Held: "
        f"streams of an event every {answer.HELD_PACE:g} s, all open at once, every one read to its end. "
        f"{placement.method()}",
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

"""Closed-loop cases: CPU a request (P1, P9, P12) and added latency with one caller (P3)."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.load import placement, result, statistics, subject
from bench.load.session import Options, Session
from bench.load.subject import CACHED, MISSING, Subject

Rounds = dict[str, list[dict[str, Any]]]


def _rounds(session: Session, subjects: list[Subject], kind: str, connections: int, *, apart: bool = False) -> Rounds:
    """Interleaved rounds of every subject after one that nobody counts."""
    options = session.options
    for one in subjects:
        session.closed(one, kind, connections, 1, apart=apart)
    rows: Rounds = {one.name: [] for one in subjects}
    for number, one in session.each_round(subjects):
        row = session.closed(one, kind, connections, options.seconds, apart=apart)
        rows[one.name].append(row)
        print(f"  round {number + 1} {one.name:<18} {row['cpu_us']:>8.1f} us/request {row['per_second']:>7} /s")
    return rows


def _by_role(rows: list[dict[str, Any]]) -> dict[str, float]:
    roles = sorted({role for row in rows for role in row["cpu_us_by_role"]})
    return {role: round(median(row["cpu_us_by_role"].get(role, 0) for row in rows), 2) for role in roles}


def _figures(rows: Rounds, base: str) -> dict[str, Any]:
    """Medians of every subject, and the CPU ratio to ``base`` round by round."""
    subjects: dict[str, Any] = {}
    for name, seen in rows.items():
        figures: dict[str, Any] = {
            "cpu_us": statistics.summary([row["cpu_us"] for row in seen]),
            "cpu_us_by_role": _by_role(seen),
            "per_second": statistics.summary([row["per_second"] for row in seen], 0),
            "p50_us": statistics.summary([row["p50_us"] for row in seen], 0),
            "p99_us": statistics.summary([row["p99_us"] for row in seen], 0),
            "failures": sum(row["failures"] for row in seen),
        }
        if base in rows:
            ratios = [row["cpu_us"] / other["cpu_us"] for row, other in zip(seen, rows[base], strict=True)]
            figures["cpu_ratio"] = statistics.summary(ratios)
        subjects[name] = figures
    return {"base": base, "subjects": subjects}


def _method(options: Options, connections: int) -> str:
    return (
        f"{options.rounds} interleaved rounds of {options.seconds:g} s, wrk with {connections} connection(s), 850 B "
        "chat requests with 17 headers, 1.5 KB answers with 26 headers, static nginx upstream. CPU is user and "
        "system time of the whole process tree before and after, divided by requests. Ratios are taken round by "
        "round; intervals are bootstrap 95 % of the median."
    )


def p1(options: Options) -> None:
    """CPU per chat request with everything on."""
    with Session(options) as session:
        rows = _rounds(session, [*session.usual(), *session.limited()], "instant", options.connections)
        figures = _figures(rows, "nginx") | session.remarks
    result.write(
        "p1", "CPU per chat request, everything on", _method(options, options.connections), figures, quick=options.quick
    )


BESIDE = "microgate (no cache)"


def p8(options: Options) -> None:
    """CPU per answer out of the cache, and what a look-up costs a request whose answer is not known."""
    with Session(options) as session:
        hits = session.microgate(config="p8.yaml", name=CACHED)
        found = [session.floor(), hits, session.microgate(config="p8.yaml", name=CACHED + " (pure)", pure=True)]
        subjects = [one for one in found if one is not None]
        session.calm(subjects)
        rows = _rounds(session, subjects, "instant", options.connections)
        others = [session.microgate(name=BESIDE), session.microgate(config="p8.yaml", name=MISSING)]
        varied = [one for one in others if one is not None]
        session.calm(varied)
        missed = _rounds(session, varied, "varied", options.connections)
        figures = _figures(rows, "nginx") | {"misses": _figures(missed, BESIDE)["subjects"]} | session.remarks
    method = _method(options, options.connections) + (
        " Hits: every request is the same, and its answer is in the cache (a file, read by the worker). Misses: every "
        "request asks something else and its answer is kept, beside the same gateway without a cache."
    )
    result.write("p8", "CPU per answer out of the exact cache", method, figures, quick=options.quick)


def p11(options: Options) -> None:
    """CPU per chat request to a provider of another dialect."""
    with Session(options) as session:
        rows = _rounds(session, session.usual(), "translated", options.connections)
        figures = _figures(rows, "nginx") | session.remarks
    method = _method(options, options.connections) + (
        " The gateway's provider speaks Anthropic's messages: request and answer are translated; nginx passes both on."
    )
    result.write("p11", "CPU per chat request, translated", method, figures, quick=options.quick)


def p12(options: Options) -> None:
    """CPU per chat request to a TLS upstream."""
    with Session(options) as session:
        subjects = session.usual(config="p12.yaml")
        rows = _rounds(session, subjects, "tls", options.connections)
        figures = _figures(rows, "nginx") | session.remarks
    method = _method(options, options.connections) + " The upstream speaks TLS on kept connections."
    result.write("p12", "CPU per chat request, TLS upstream", method, figures, quick=options.quick)


def p9(options: Options) -> None:
    """CPU per request with two workers against one."""
    with Session(options) as session:
        started: list[Subject | None] = []
        for workers in (1, 2):
            for pure in (False, True):
                name = f"{workers} worker{'s' if workers > 1 else ''}{' (pure)' if pure else ''}"
                started.append(session.microgate(pure=pure, workers=workers, name=name))
        subjects = [one for one in started if one is not None]
        session.calm(subjects)
        rows = _rounds(session, subjects, "instant", options.connections)
        compiled = {name: seen for name, seen in rows.items() if "pure" not in name}
        pure_rows = {name: seen for name, seen in rows.items() if "pure" in name}
        figures = _figures(compiled, "1 worker")
        figures["subjects"] |= _figures(pure_rows, "1 worker (pure)")["subjects"]
        figures |= session.remarks
    result.write(
        "p9",
        "Two workers against one, CPU per request",
        _method(options, options.connections),
        figures,
        quick=options.quick,
    )


AWAKE = (
    "Every core is kept from falling asleep by a process of the idle class that gives way to all others, as idle "
    "states are switched off where latency is measured; the second table is of rounds without that."
)


def _added(session: Session, subjects: list[Subject]) -> dict[str, Any]:
    rows = _rounds(session, subjects, "instant", 1, apart=True)
    figures = _figures(rows, "nginx")
    for name, seen in rows.items():
        pairs = list(zip(seen, rows["direct"], strict=True))
        for percentile in ("p50_us", "p99_us"):
            added = [row[percentile] - other[percentile] for row, other in pairs]
            figures["subjects"][name][f"added_{percentile}"] = statistics.summary(added, 1)
    return figures


def p3(options: Options) -> None:
    """Latency that is added with one caller."""
    with Session(options) as session:
        subjects = [subject.direct(session.upstream), *session.usual()]
        session.place(subjects)
        with placement.awake():
            figures = _added(session, subjects) | session.remarks
        print("  cores asleep between requests:")
        asleep = _added(session, [one for one in subjects if one.implementation != "pure"])
        figures["asleep"] = asleep["subjects"]
    method = (
        f"{_method(options, 1)} Added latency is a subject's percentile less the upstream's own of the same round. "
        f"{placement.method()} {AWAKE} Asleep, a gateway's figure holds the wake-ups of an idle core; the upstream's "
        "own holds none."
    )
    result.write("p3", "Added latency with one caller", method, figures, quick=options.quick)

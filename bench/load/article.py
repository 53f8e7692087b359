"""The table gateways are compared by: overhead, total latency, queue wait, memory, failures."""

from __future__ import annotations

import time
from typing import Any

from bench.load import placement, result, subject
from bench.load.openloop import Load
from bench.load.session import SETTLE, Options, Session, cpu_figures
from bench.load.subject import Subject
from bench.peers import litellm

MIB = 2**20

PUBLISHED = [
    {
        "name": "Bifrost, vendor's own, t3.xlarge (4 vCPU)",
        "overhead_us": 11,
        "rss_mib": 3340,
        "offered": 5000,
        "note": "sum of in-process timers; leaves out JSON, the upstream call and reading the answer",
    },
    {
        "name": "Bifrost, vendor's own, t3.medium (2 vCPU)",
        "overhead_us": 59,
        "rss_mib": 1313,
        "offered": 5000,
        "note": "as above",
    },
    {
        "name": "Bifrost, independent, 2 vCPU",
        "per_second": 3100,
        "p99_us": 18000,
        "rss_mib": 143,
        "ready_s": 7.1,
        "note": "another machine",
    },
]
"""Figures others published, from other machines: shown beside ours, never compared by ratio."""


MOST_CONNECTIONS = 8000
"""A gateway that falls far behind would otherwise hold every port of the machine; more is a failure."""


PATIENCE = 10.0
"""Seconds after the last request was due when an answer comes too late."""

OFFERED_SECONDS = 60.0
OWN_SECONDS = 20.0
"""Lengths of the two loads: what is offered to everybody, and 80 % of a gateway's own capacity."""


MOST_OFFERED = 8_000.0
"""Requests a second up to which the generator keeps its own schedule on a core it shares with the upstream."""


def _row(
    session: Session, one: Subject, rate: float, seconds: float, direct: dict[str, Any] | None, capacity: float = 1e9
) -> dict[str, Any]:
    peak = 0

    def look() -> None:
        nonlocal peak
        peak = max(peak, one.snapshot().rss)

    look()
    before = one.snapshot()
    # Whoever is offered more than it can do will need them all; opening them under way would slow the generator down.
    warm = 256 if rate < capacity else MOST_CONNECTIONS
    running = Load(
        session.directory, one, "instant", rate=rate, seconds=seconds, timeout=PATIENCE, connections=warm,
        max_connections=MOST_CONNECTIONS,
    )  # fmt: skip
    report = running.result(1.0, look)
    time.sleep(SETTLE)
    cpu = cpu_figures(one, before, one.snapshot(), report["completed"])
    latency, own = report["latency_us"], report["header_us"]
    row: dict[str, Any] = {
        "offered": round(rate, 1),
        "sent": report["sent"],
        "failed": report["failed"],
        "failures": report["failures"],
        "void": report["void"],
        "latency_us": latency,
        "own_us": own if own["count"] else None,
        "own_header": one.overhead_header,
        "peak_in_flight": report["peak_in_flight"],
        "rss_mib": round(peak / MIB, 1),
        **cpu,
    }
    if direct is not None and latency["count"] and direct["latency_us"]["count"]:
        row["added_us"] = {p: round(latency[p] - direct["latency_us"][p], 1) for p in ("p50", "p99")}
        # What neither the upstream nor the gateway's own timers explain: time spent waiting to be served.
        if own["count"]:
            row["queue_us"] = round(max(0.0, latency["mean"] - direct["latency_us"]["mean"] - own["mean"]), 1)
    print(f"  {one.name:<18} offered {rate:>7.0f}/s: {report['failed']} failed, p50 {latency.get('p50', '-')} us, "
          f"p99 {latency.get('p99', '-')} us, {row['rss_mib']} MiB {report['void']}")  # fmt: skip
    return row


def article(options: Options) -> None:
    """Every gateway at 5,000 offered requests a second, and at 80 % of what it can do itself."""
    seconds = options.seconds if options.quick else OFFERED_SECONDS
    own_seconds = options.seconds if options.quick else OWN_SECONDS
    with Session(options) as session:
        upstream = subject.direct(session.upstream)
        session.place([])
        base = _row(session, upstream, options.rate, seconds, None)
        rows: dict[str, Any] = {"upstream alone": {"offered_rate": base}}
        subjects = session.usual()
        notes: list[str] = []
        environment = options.peers or litellm.DIRECTORY
        if (environment / "bin/python").exists():
            peer = session.start("LiteLLM", lambda place: litellm.start(environment, place, session.upstream))
            if peer is not None:
                subjects.append(peer)
                session.calm(subjects)
                notes += [remark for remark in [litellm.note(litellm.installed(environment))] if remark]
        else:
            session.missing["LiteLLM"] = "not installed; python -m bench.peers.litellm install"
        for one in subjects:
            capacity = session.closed(one, "instant", options.connections, 3.0)
            own_rate = min(MOST_OFFERED, max(1.0, capacity["per_second"] * 0.8))
            entry: dict[str, Any] = {"ready_s": round(one.ready_seconds, 3), "closed_loop": capacity}
            # The gentler run first: a gateway that was overrun may not be itself any more.
            own_base = _row(session, upstream, own_rate, min(own_seconds, 5), None)
            entry["own_rate"] = _row(session, one, own_rate, own_seconds, own_base)
            entry["offered_rate"] = _row(session, one, options.rate, seconds, base, capacity["per_second"])
            rows[one.name] = entry
            one.stop()
        figures = {
            "rate": options.rate,
            "subjects": rows,
            "published": PUBLISHED,
            "notes": notes,
            **session.remarks,
        }
    result.write(
        "article",
        "The article's table",
        f"Open loop, even arrivals: (a) {options.rate:g} requests a second offered to everybody for {seconds:g} s, "
        f"(b) 80 % of what wrk with {options.connections} connections got from the gateway, at most "
        f"{MOST_OFFERED:,.0f} a second, for {own_seconds:g} s. "
        f"Instant upstream; answers later than {PATIENCE:g} s after the load and requests beyond {MOST_CONNECTIONS} in "
        "flight are failures. Overhead is the gateway's own statement, which is how Bifrost defines the word; 'added' "
        "is the end-to-end percentile less the upstream's alone at the same rate; queue wait is the mean that neither "
        f"explains; RSS is the highest of the whole tree. {placement.method(subjects=False)} Gateways run where they "
        "like.",
        figures,
        quick=options.quick,
    )

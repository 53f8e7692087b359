"""Start (P6) and idle memory (P7)."""

from __future__ import annotations

import time
from typing import Any

from bench.load import result, statistics
from bench.load.session import Options, Session
from bench.load.subject import Subject

MIB = 2**20


def p6(options: Options) -> None:
    """From the start of the process to the first answered request."""
    rows: dict[str, list[float]] = {"microgate": [], "microgate (pure)": []}
    with Session(options) as session:
        for number in range(options.rounds):
            for pure in (False, True):
                one = session.microgate(pure=pure)
                if one is None:
                    continue
                rows[one.name].append(one.ready_seconds)
                one.stop()
                print(f"  start {number + 1} {one.name:<18} {one.ready_seconds:.3f} s")
        figures: dict[str, Any] = session.remarks
    figures["subjects"] = {name: {"ready_s": statistics.summary(seen)} for name, seen in rows.items() if seen}
    result.write(
        "p6",
        "Start",
        f"{options.rounds} starts with an empty data directory; a request every 2 ms from the first moment; the "
        "figure is the time from fork to the first 200 (17 request headers, 850 B, answered by the upstream).",
        figures,
        quick=options.quick,
    )


def _figures(one: Subject) -> dict[str, Any]:
    seen = one.snapshot(memory=True)
    roles = one.roles(seen)
    by_role: dict[str, dict[str, float]] = {}
    for pid, member in seen.members.items():
        entry = by_role.setdefault(roles[pid], {"processes": 0, "pss_mib": 0.0, "rss_mib": 0.0})
        entry["processes"] += 1
        entry["pss_mib"] = round(entry["pss_mib"] + member.pss / MIB, 1)
        entry["rss_mib"] = round(entry["rss_mib"] + member.rss / MIB, 1)
    inner = [by_role[role]["pss_mib"] for role in ("supervisor", "worker") if role in by_role]
    return {
        "by_role": by_role,
        "data_plane_pss_mib": round(sum(inner), 1),
        "tree_pss_mib": round(seen.pss / MIB, 1),
        "tree_rss_mib": round(seen.rss / MIB, 1),
    }


def p7(options: Options) -> None:
    """Memory after the start and one request."""
    rest = 2.0 if options.quick else 10.0
    with Session(options) as session:
        subjects = session.usual()
        time.sleep(rest)
        seen = {one.name: _figures(one) for one in subjects}
        figures = {"subjects": seen, **session.remarks}
        for name, memory in seen.items():
            inner, whole = memory["data_plane_pss_mib"], memory["tree_pss_mib"]
            print(f"  {name:<18} supervisor + worker {inner} MiB, tree {whole} MiB")
    result.write(
        "p7",
        "Idle memory",
        f"{rest:g} s after the first answer. PSS shares every page among the processes that map it, so the sum over "
        "processes is what they cost; RSS counts shared pages again for each.",
        figures,
        quick=options.quick,
    )

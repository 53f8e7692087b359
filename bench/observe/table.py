"""The sections of RESULTS.md about looking at what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _times(what: str, asked: Mapping[str, Any]) -> list[str]:
    return [
        f"| {what} | first ms | ms | at most |",
        "|---|--:|--:|--:|",
        *(f"| {name} | {seen['first_ms']} | {seen['ms']} | {seen['most_ms']} |" for name, seen in asked.items()),
        "",
    ]


def observed(document: Mapping[str, Any]) -> list[str]:
    """Charts, pages, the rounds with and without an open dashboard, and control killed."""
    filled, killed = document["filled"], document["killed"]
    log_gb, rollups_gb = filled["log_bytes"] / 1e9, filled["rollup_bytes"] / 1e9
    lines = [
        (
            f"{filled['rows']:,} rows of {filled['days']} days: log {log_gb:.2f} GB, roll-ups {rollups_gb:.2f} GB; "
            f"{filled['contents']:,} of them with what was said."
        ),
        "",
        *_times("chart", document["queries"]),
        *_times("page of the log", document["pages"]),
        *_times("report on the ledger", document["reports"]),
        (
            "| dashboard | p50 us | p99 us | own time p50 us | p99 us | control us/record | control RSS MiB | "
            "event after the end, p50/p99/most ms |"
        ),
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, rounds in document["rounds"].items():
        for seen in rounds:
            late = "/".join(str(value) for value in seen.get("late_ms", {}).values()) or "-"
            void = f" (void: {seen['void']})" if seen["void"] else ""
            lines.append(
                f"| {name}{void} | {seen['p50_us']} | {seen['p99_us']} | {seen['own_p50_us']} | {seen['own_p99_us']} | "
                f"{seen['control_cpu_us_per_record']} | {seen['control_rss_mib']} | {late} |"
            )
    return [
        *lines,
        "",
        (
            f"p99 with the dashboard open and searches running: {document['p99_ratio']} times that without; of the "
            f"gateway's own time in a request: {document['own_p99_ratio']} times (medians of rounds)."
        ),
        "",
        (
            f"Control killed {killed['kills']} times in {killed['seconds']:g} s: of {killed['sent']:,} requests "
            f"{killed['failed']} failed, {killed['lost']} rows are missing."
        ),
    ]

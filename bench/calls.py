"""Calls within one process (P10): the table of pytest-benchmark's results, compiled beside pure, and the targets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
Row = tuple[str, float, float, float | None, str, float | None]

FROM_C, COMPILED, PURE = "from C", "c", "py"

_NAME = re.compile(r"test_(\w+)(?:\[(.*)\])?$")


def _place(name: str) -> tuple[str, str]:
    """(case, column) of a benchmark by its name: ids begin with ``c`` or ``py``; what a C caller pays is told by the
    name or by a second ``c``. With one worker it stands beside what the same costs from Python."""
    found = _NAME.match(name)
    case, ids = (found[1], (found[2] or "").split("-")) if found else (name, [""])
    column = PURE
    if case.endswith("_from_c"):
        case, column = case.removesuffix("_from_c"), FROM_C
    elif ids[0] in (COMPILED, PURE):
        column = ids.pop(0)
        if ids and ids[0] in ("python", "c"):
            column = FROM_C if ids.pop(0) == "c" else column
    return " ".join([case.replace("_", " "), "-".join(ids).removesuffix("-1-workers")]).strip(), column


def _nanoseconds(bench: Document) -> float:
    """Median of one operation."""
    extra = bench["extra_info"]
    median: float = bench["stats"]["median"]
    return median * 1e9 / float(extra.get("operations", extra.get("records", 1)))


def cases(document: Document) -> dict[str, dict[str, float]]:
    """case -> column -> nanoseconds; gigabytes a second stand under the column's name with ``GB/s``."""
    found: dict[str, dict[str, float]] = {}
    for bench in document["benchmarks"]:
        case, column = _place(bench["name"])
        row = found.setdefault(case, {})
        row[column] = _nanoseconds(bench)
        speed = bench["extra_info"].get("gigabytes_per_second")
        if speed is not None:
            row[f"{column} GB/s"] = speed
    return found


_TARGETS: Sequence[tuple[str, str, str, float, float]] = (
    ("key choice, one of 20, called from C, ns", "choose all-up-20", FROM_C, 100, 50),
    ("one bucket (GCRA), reserve and settle, called from C, ns", "reserve and settle gcra", FROM_C, 150, 60),
    ("scan of one long message of 100 KB, GB/s", "body one-long-message", "c GB/s", 1.0, 2.0),
    ("scan of 100 KB of tool schemas, GB/s", "body tool-schemas", "c GB/s", 0.5, 1.0),
)
"""(what, case, column, must, aim). Times may not be longer, speeds not lower."""


def targets(document: Document) -> list[Row]:
    """(what, must, aim, measured, reached, pure) of every target of P10."""
    found = cases(document)
    rows: list[Row] = []
    for what, case, column, must, aim in _TARGETS:
        row = found.get(case, {})
        own, faster = row.get(column), column.endswith("GB/s")
        pure = row.get("py GB/s" if faster else PURE)
        if own is None:
            verdict = "-"
        elif faster:
            verdict = "aim" if own >= aim else "must" if own >= must else "missed"
        else:
            verdict = "aim" if own <= aim else "must" if own <= must else "missed"
        rows.append((f"P10 {what}", must, aim, own, verdict, pure))
    return rows

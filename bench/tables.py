"""The tables of RESULTS.md, one function a case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench import calls
from bench.index import table
from bench.load.subject import CACHED, LIMITED, MISSING
from bench.observe.table import observed

Document = Mapping[str, Any]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _number(value: object, unit: str = "") -> str:
    if not isinstance(value, int | float):
        return "-"
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{shown.removesuffix('.00')}{unit}"


def _middle(summary: object, unit: str = "") -> str:
    """A median with its interval."""
    if not isinstance(summary, dict) or summary.get("median") is None:
        return "-"
    text = _number(summary["median"], unit)
    if summary["low"] != summary["high"]:
        text += f" ({_number(summary['low'])}-{_number(summary['high'])})"
    return text


def _roles(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {_number(value)}" for role, value in shares.items()) or "-"


def _cpu(document: Document) -> list[str]:
    base = document["base"]
    head = ("", "CPU us/request", "by process", f"x {base}", "requests/s", "p50 us", "p99 us", "failures")
    rows = [
        (
            name,
            _middle(seen["cpu_us"]),
            _roles(seen["cpu_us_by_role"]),
            _middle(seen.get("cpu_ratio")),
            _middle(seen["per_second"]),
            _middle(seen["p50_us"]),
            _middle(seen["p99_us"]),
            str(seen["failures"]),
        )
        for name, seen in document["subjects"].items()
    ]
    return _table(head, rows)


def _void(document: Document) -> list[str]:
    """Rounds that were left out, and subjects all of whose rounds were void."""
    lines: list[str] = []
    for name, seen in document["subjects"].items():
        if seen["void_rounds"]:
            left = "all void, nothing here counts" if seen["void"] else "left out"
            lines.append(f"\nVoid rounds of {name} ({left}): {'; '.join(seen['void_rounds'])}.")
    return lines


def _both(table: Callable[[Mapping[str, Any]], list[str]], document: Document) -> list[str]:
    """A case's table, and the same of the rounds in which cores were left to sleep."""
    lines = table(document["subjects"])
    if "asleep" in document:
        lines += ["", "Cores asleep between requests:", "", *table(document["asleep"])]
    return lines


def _p2(document: Document) -> list[str]:
    return [*_both(_own_time, document), *_void(document)]


def _own_time(subjects: Mapping[str, Any]) -> list[str]:
    head = (
        "", "offered/s", "own p50 us", "own p99 us", "latency p50 us", "latency p99 us", "added p50 us", "added p99 us",
        "CPU us/request", "failed", "generator CPU us/request",
    )  # fmt: skip
    names = ("own_p50_us", "own_p99_us", "latency_p50_us", "latency_p99_us", "added_p50_us", "added_p99_us")
    return _table(
        head,
        [
            (
                name,
                _number(seen.get("offered")),
                *(_middle(seen.get(figure)) for figure in names),
                _middle(seen.get("cpu_us")),
                str(seen["failed"]),
                _middle(seen.get("generator_cpu_us")),
            )
            for name, seen in subjects.items()
        ],
    )


def _p3(document: Document) -> list[str]:
    return _both(_one_caller, document)


def _one_caller(subjects: Mapping[str, Any]) -> list[str]:
    head = ("", "p50 us", "p99 us", "added p50 us", "added p99 us", "CPU us/request")
    names = ("p50_us", "p99_us", "added_p50_us", "added_p99_us", "cpu_us")
    rows = [(name, *(_middle(seen.get(figure)) for figure in names)) for name, seen in subjects.items()]
    return _table(head, rows)


def _memory_rows(subjects: Mapping[str, Any]) -> list[str]:
    head = (
        "",
        "offered/s",
        "in flight",
        "failed",
        "idle MiB",
        "loaded MiB",
        "after MiB",
        "after / idle",
        "CPU us/request",
        "void",
    )
    rows = [
        (
            name,
            _number(seen.get("offered")),
            str(seen["peak_in_flight"]),
            str(seen["failed"]),
            *(_number(seen[when]["data_plane_rss_mib"]) for when in ("idle", "peak", "after")),
            _number(seen["after_ratio"]),
            _number(seen["cpu_us"]),
            seen["void"] or "no",
        )
        for name, seen in subjects.items()
    ]
    return _table(head, rows)


def _p4(document: Document) -> list[str]:
    return [*_memory_rows(document["subjects"]), "", "RSS of supervisor and worker."]


def _p5(document: Document) -> list[str]:
    head = ("", "TTFT p50 us", "TTFT p99 us", "added p50 us", "added p99 us", "CPU us/event", "x nginx", "failed")
    names = ("ttft_p50_us", "ttft_p99_us", "added_ttft_p50_us", "added_ttft_p99_us", "cpu_us_per_event", "cpu_ratio")
    rows = [
        (name, *(_middle(seen.get(figure)) for figure in names), str(seen["failed"]))
        for name, seen in document["subjects"].items()
    ]
    return [*_table(head, rows), *_void(document), "", "Streams held:", "", *_memory_rows(document["held"])]


def _p6(document: Document) -> list[str]:
    return _table(("", "seconds"), [(name, _middle(seen["ready_s"])) for name, seen in document["subjects"].items()])


def _p7(document: Document) -> list[str]:
    head = ("", "supervisor + worker PSS MiB", "whole tree PSS MiB", "whole tree RSS MiB", "PSS by process")
    rows = [
        (
            name,
            _number(seen["data_plane_pss_mib"]),
            _number(seen["tree_pss_mib"]),
            _number(seen["tree_rss_mib"]),
            _roles({role: entry["pss_mib"] for role, entry in seen["by_role"].items()}),
        )
        for name, seen in document["subjects"].items()
    ]
    return _table(head, rows)


def _article_row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    latency, own, added = row["latency_us"], row.get("own_us") or {}, row.get("added_us") or {}
    sent = max(1, row["sent"])
    return (
        name,
        _number(row["offered"]),
        _number(own.get("mean")),
        _number(latency.get("p50")),
        _number(latency.get("p99")),
        _number(added.get("p50")),
        _number(added.get("p99")),
        _number(row.get("queue_us")),
        _number(row["rss_mib"]),
        f"{row['failed'] / sent:.2%}",
        _number(row["cpu_us"]),
        row["void"] or "no",
    )


def _article(document: Document) -> list[str]:
    head = (
        "", "offered/s", "overhead us (own statement)", "total p50 us", "total p99 us", "added p50 us", "added p99 us",
        "queue wait us", "RSS MiB", "failed", "CPU us/request", "void",
    )  # fmt: skip
    lines = ["Offered to everybody:", ""]
    lines += _table(head, [_article_row(n, e["offered_rate"]) for n, e in document["subjects"].items()])
    lines += ["", "At 80 % of each one's own capacity:", ""]
    own = [(n, e["own_rate"]) for n, e in document["subjects"].items() if "own_rate" in e]
    lines += _table(head, [_article_row(name, row) for name, row in own])
    closed = [(n, e["closed_loop"], e["ready_s"]) for n, e in document["subjects"].items() if "closed_loop" in e]
    lines += ["", "Closed loop:", ""]
    lines += _table(
        ("", "requests/s", "CPU us/request", "p50 us", "p99 us", "ready s"),
        [
            (name, *(_number(seen[f]) for f in ("per_second", "cpu_us", "p50_us", "p99_us")), _number(ready))
            for name, seen, ready in closed
        ],
    )
    lines += ["", "Published by others, on other machines, shown as printed and not to be compared by ratio:", ""]
    names = ("offered", "overhead_us", "per_second", "p99_us", "rss_mib", "ready_s")
    lines += _table(
        ("", "offered/s", "overhead us", "requests/s", "p99 us", "RSS MiB", "ready s", "note"),
        [(row["name"], *(_number(row.get(f)) for f in names), row["note"]) for row in document["published"]],
    )
    return lines


def _affinity(document: Document) -> list[str]:
    lines: list[str] = []
    for trace, seen in document["traces"].items():
        rows = [(name, *_found(row)) for name, row in seen["placements"].items()]
        lines += [f"Trace `{trace}`, {seen['requests']:,} requests:", ""]
        lines += [*_table(("keys chosen by", "hit rate", "imbalance", "score"), rows), ""]
        for setting, curve in seen["curves"].items():
            head = (setting, *curve)
            figures = list(zip(*(_found(row) for row in curve.values()), strict=True))
            names = ("hit rate", "imbalance", "score")
            lines += [*_table(head, [(name, *row) for name, row in zip(names, figures, strict=True)]), ""]
    return lines[:-1]


def _quality(document: Document) -> list[str]:
    head = ("served", "hits", "of possible", "wrong of look-ups", "worst order", "wrong of hits", "worst order")
    lines: list[str] = []
    for name, seen in document["sets"].items():
        for guard in ("without guard", "with guard"):
            rows = [(f"from {threshold}", *_rates(row)) for threshold, row in seen[guard]["thresholds"].items()]
            rows += [(f"verified, {mode}", *_rates(row)) for mode, row in seen[guard]["verified"].items()]
            questions = f"{seen['questions']:,} questions of {seen['classes']:,} meanings"
            lines += [f"{name[0].upper()}{name[1:]} ({questions}), {guard}:", "", *_table(head, rows), ""]
    rows = [
        (kind, f"{row['near_misses']}", f"{row['let_through']:.1%}", f"{row['paraphrases']}", f"{row['refused']:.1%}")
        for kind, row in document["guard"].items()
    ]
    kinds = ("differs in", "near misses", "let through by the guard", "paraphrases", "refused by it")
    return [*lines, "The guard alone:", "", *_table(kinds, rows)]


def _rates(row: Mapping[str, float]) -> tuple[str, ...]:
    names = ("hit_rate", "of_possible", "wrong_per_lookup", "worst_per_lookup", "wrong_per_hit", "worst_per_hit")
    return tuple(f"{row[name]:.2%}" for name in names)


def _found(row: Mapping[str, float]) -> tuple[str, str, str]:
    return f"{row['hit_rate']:.3f}", f"{row['imbalance']:.2f}", f"{row['score']:.3f}"


def _p8(document: Document) -> list[str]:
    missed = _cpu({"base": "the same without a cache", "subjects": document["misses"]})
    return [*_cpu(document), "", "Another question in every request:", "", *missed]


TABLES: Mapping[str, Callable[[Document], list[str]]] = {
    "p1": _cpu, "p2": _p2, "p3": _p3, "p4": _p4, "p5": _p5, "p6": _p6, "p7": _p7, "p8": _p8, "p9": _cpu, "p11": _cpu,
    "p12": _cpu,
    "affinity": _affinity,
    "quality": _quality,
    "index": table.lookups,
    "observe": observed,
    "index_kills": table.kills,
    "article": _article,
}  # fmt: skip

Path = tuple[str, ...]

TARGETS: Sequence[tuple[str, str, str, Path, float, float]] = (
    ("P1", "p1", "CPU per request, x nginx", ("subjects", "microgate", "cpu_ratio", "median"), 2.0, 1.5),
    ("P1", "p1", "the same with fifteen limits", ("subjects", LIMITED, "cpu_ratio", "median"), 2.0, 1.5),
    ("P2", "p2", "own time p50, us", ("subjects", "microgate", "own_p50_us", "median"), 20, 11),
    ("P2", "p2", "own time p99, us", ("subjects", "microgate", "own_p99_us", "median"), 100, 40),
    (
        "P2",
        "p2",
        "own time p50, cores asleep between requests, us",
        ("asleep", "microgate", "own_p50_us", "median"),
        20,
        11,
    ),
    (
        "P2",
        "p2",
        "own time p99, cores asleep between requests, us",
        ("asleep", "microgate", "own_p99_us", "median"),
        100,
        40,
    ),
    ("P2", "p2", "own time p50 with fifteen limits, us", ("subjects", LIMITED, "own_p50_us", "median"), 20, 11),
    ("P2", "p2", "own time p99 with fifteen limits, us", ("subjects", LIMITED, "own_p99_us", "median"), 100, 40),
    ("P3", "p3", "added latency p50, us", ("subjects", "microgate", "added_p50_us", "median"), 150, 60),
    ("P3", "p3", "added latency p99, us", ("subjects", "microgate", "added_p99_us", "median"), 300, 107),
    ("P3", "p3", "added latency p50, cores asleep, us", ("asleep", "microgate", "added_p50_us", "median"), 150, 60),
    ("P3", "p3", "added latency p99, cores asleep, us", ("asleep", "microgate", "added_p99_us", "median"), 300, 107),
    ("P4", "p4", "failures", ("subjects", "microgate", "failed"), 0, 0),
    ("P4", "p4", "RSS with 8,000 in flight, MiB", ("subjects", "microgate", "peak", "data_plane_rss_mib"), 180, 120),
    ("P4", "p4", "RSS after the rest, x idle", ("subjects", "microgate", "after_ratio"), 1.3, 1.1),
    ("P5", "p5", "added TTFT p50, us", ("subjects", "microgate", "added_ttft_p50_us", "median"), 150, 80),
    ("P5", "p5", "CPU per event, x nginx", ("subjects", "microgate", "cpu_ratio", "median"), 1.3, 1.1),
    ("P5", "p5", "streams held at once", ("held", "microgate", "peak_in_flight"), 2000, 8000),
    ("P5", "p5", "failures of held streams", ("held", "microgate", "failed"), 0, 0),
    ("P6", "p6", "first answer, s", ("subjects", "microgate", "ready_s", "median"), 0.6, 0.3),
    ("P7", "p7", "PSS of supervisor and worker, MiB", ("subjects", "microgate", "data_plane_pss_mib"), 50, 35),
    ("P7", "p7", "PSS of the whole tree, MiB", ("subjects", "microgate", "tree_pss_mib"), 130, 100),
    ("P8", "p8", "CPU of an exact hit, x nginx", ("subjects", CACHED, "cpu_ratio", "median"), 1.0, 0.7),
    ("P8", "p8", "CPU of a miss, x without a cache", ("misses", MISSING, "cpu_ratio", "median"), 1.1, 1.0),
    ("P8", "index", "look-up p50 at 100,000 x 384, us", ("sets", "100k", "default", "p50_us"), 300, 120),
    ("P8", "index", "recall@1 there", ("sets", "100k", "default", "recall"), 0.98, 0.99),
    ("P8", "index", "queries/s at recall 0.98, x hnswlib", ("sets", "100k", "times_hnswlib_at_0.98"), 1.0, 1.5),
    ("P9", "p9", "CPU, 2 workers / 1", ("subjects", "2 workers", "cpu_ratio", "median"), 1.1, 1.0),
    ("P11", "p11", "CPU translated, x nginx", ("subjects", "microgate", "cpu_ratio", "median"), 4.0, 3.0),
    ("P12", "p12", "CPU over TLS, x nginx", ("subjects", "microgate", "cpu_ratio", "median"), 2.0, 1.5),
)
"""(target, case, what, where the figure stands, must, aim). The pure figure stands under the name with "(pure)"."""


def _at(document: Document, path: Path) -> float | None:
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) else None


FULL_LOAD: Mapping[str, tuple[Path, float]] = {
    "p2": (("rate",), 5000),
    "p4": (("subjects", "microgate", "peak_in_flight"), 7500),
}
"""What a run must have reached for its figures to answer the target."""

AT_LEAST = {"streams held at once", "recall@1 there", "queries/s at recall 0.98, x hnswlib"}
"""Targets that are reached from below."""


def _verdict(document: Document, path: Path, own: float | None, must: float, aim: float, *, least: bool = False) -> str:
    """``aim``, ``must`` or ``missed``; or why the figure is no answer."""
    if own is None:
        return "-"
    if document.get("quick"):
        return "quick run"
    where: Any = document[path[0]]["microgate"] if path[1] == "microgate" else {}
    if where.get("void"):
        return "void"
    if case := FULL_LOAD.get(str(document.get("case"))):
        reached = _at(document, case[0])
        if reached is None or reached < case[1]:
            return "less load"
    if least:
        return "aim" if own >= aim else "must" if own >= must else "missed"
    return "aim" if own <= aim else "must" if own <= must else "missed"


def targets(documents: Mapping[str, Document], micro: Document | None = None) -> list[str]:
    """What was to be reached, and what is; ``micro`` is what pytest-benchmark wrote."""
    rows = []
    for target, case, what, path, must, aim in TARGETS:
        if case not in documents:
            continue
        own = _at(documents[case], path)
        twin = tuple(f"{s} (pure)" if s in ("microgate", "2 workers") else s for s in path)
        pure = _at(documents[case], twin) if twin != path else None
        verdict = _verdict(documents[case], path, own, must, aim, least=what in AT_LEAST)
        rows.append((f"{target} {what}", _number(must), _number(aim), _number(own), verdict, _number(pure)))
    for text, must, aim, own, verdict, pure in calls.targets(micro) if micro is not None else ():
        rows.append((text, _number(must), _number(aim), _number(own), verdict, _number(pure)))
    return _table(("target", "must", "aim", "measured", "reached", "pure"), rows)


def micro(document: Document) -> list[str]:
    """pytest-benchmark's results: median of one operation, compiled and pure side by side."""
    columns = (calls.FROM_C, calls.COMPILED, calls.PURE, "c GB/s", "py GB/s")
    rows = [
        (case, *(_number(row.get(column)) for column in columns)) for case, row in sorted(calls.cases(document).items())
    ]
    head = ("ns", "compiled, called from C", "compiled, from Python", "pure", "compiled GB/s", "pure GB/s")
    return _table(head, rows)

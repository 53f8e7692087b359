"""The tables of the vector index in RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AT = (16, 64)
"""The small ef that the clustered sets need, and the default."""


def lookups(document: Mapping[str, Any]) -> list[str]:
    """One row a set; then both curves of those that hnswlib was measured with."""
    head: tuple[str, ...] = ("", "vectors", "build s", "bytes/vector")
    more = [f"{name}, ef {ef}" for ef in AT for name in ("recall@1", "p50 us", "p99 us")]
    lines = [
        _row((*head, *more, "x hnswlib at recall 0.98", "0.99", "load before")),
        "|---|" + "--:|" * (len(more) + 6),
    ]
    for name, seen in document["sets"].items():
        cells = [f"{name}, {seen['dim']}", f"{seen['vectors']:,}", _figure(seen["ours"]["build_s"])]
        cells.append(_figure(seen["ours"]["bytes_per_vector"]))
        for ef in AT:
            point = _at(seen["ours"]["curve"], ef)
            cells += [f"{point['recall']:.3f}", _figure(point["p50_us"]), _figure(point["p99_us"])]
        cells += [_figure(seen.get(f"times_hnswlib_at_{recall}")) for recall in (0.98, 0.99)]
        lines.append(_row([*cells, _figure(seen["load_before"])]))
    for name, seen in document["sets"].items():
        if "hnswlib" in seen:
            lines += ["", *_curves(name, seen)]
    return lines


def _curves(name: str, seen: Mapping[str, Any]) -> list[str]:
    ours, other = seen["ours"], seen["hnswlib"]
    built = f"{_figure(other['build_s'])} s to build, ours {_figure(ours['build_s'])} s"
    lines = [
        f"Set `{name}` beside hnswlib, which took {built}:",
        "",
        _row(("ef", "recall@1", "queries/s", "hnswlib's recall@1", "queries/s", "ratio at this ef")),
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for own, theirs in zip(ours["curve"], other["curve"], strict=True):
        cells = (
            f"{own['ef']}", f"{own['recall']:.3f}", f"{own['per_second']:,.0f}", f"{theirs['recall']:.3f}",
            f"{theirs['per_second']:,.0f}", f"{own['per_second'] / theirs['per_second']:.2f}",
        )  # fmt: skip
        lines.append(_row(cells))
    return lines


def _at(curve: list[dict[str, float]], ef: int) -> dict[str, float]:
    return next(point for point in curve if point["ef"] == ef)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def kills(document: Mapping[str, Any]) -> list[str]:
    """Every figure of the run."""
    plan = document["plan"]
    told = (
        f"{plan['seconds']:.0f} s, {plan['readers']} readers, {plan['dim']} dimensions, {plan['ids']:,} vectors at most"
    )
    figures = [(name, value) for name, value in document.items() if isinstance(value, int | float) and name != "quick"]
    rows = [_row((name.replace("_", " "), f"{value:,}")) for name, value in figures]
    return [f"{told}, {plan['kind']}:", "", "| | |", "|---|--:|", *rows]

"""``python -m bench.render``: bench/RESULTS.md and its plots from bench/results/*.json."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import tables
from bench.load import result
from bench.plots import Bar, bars

ORDER = (
    "p1",
    "p2",
    "p3",
    "p4",
    "p5",
    "p6",
    "p7",
    "p8",
    "p9",
    "p11",
    "p12",
    "affinity",
    "quality",
    "index",
    "index_kills",
    "observe",
    "article",
)

NAMES = {
    "affinity": "Routing",
    "quality": "Cache",
    "index": "P8",
    "index_kills": "Cache",
    "observe": "Dashboard",
    "article": "Comparison",
}
"""Of cases that are no target's."""

Document = dict[str, Any]


def _summary_bar(name: str, summary: Mapping[str, Any]) -> Bar:
    return Bar(name, summary["median"], summary["low"], summary["high"])


def _bars_of(document: Document, figure: str) -> list[Bar]:
    found = ((name, subject.get(figure)) for name, subject in document["subjects"].items())
    return [_summary_bar(name, summary) for name, summary in found if summary and summary["median"] is not None]


def _p4_bars(document: Document) -> list[Bar]:
    return [Bar(name, subject["peak"]["data_plane_rss_mib"]) for name, subject in document["subjects"].items()]


def _p7_bars(document: Document) -> list[Bar]:
    return [Bar(name, subject["tree_pss_mib"]) for name, subject in document["subjects"].items()]


def _article_bars(document: Document) -> list[Bar]:
    rows = document["subjects"].items()
    return [Bar(name, entry["closed_loop"]["cpu_us"]) for name, entry in rows if "closed_loop" in entry]


def _affinity_bars(document: Document) -> list[Bar]:
    rows = document["traces"]["conversation"]["placements"].items()
    return [Bar(name, entry["score"]) for name, entry in rows]


def _quality_bars(document: Document) -> list[Bar]:
    """Hits with the guard, in the set whose labels are exact: every threshold, then every bound."""
    seen = document["sets"]["near misses"]["with guard"]
    rows = [(f"threshold {threshold}", row) for threshold, row in seen["thresholds"].items()]
    rows += [(f"verified, {mode}", row) for mode, row in seen["verified"].items()]
    return [Bar(name, 100 * row["hit_rate"]) for name, row in rows]


def _index_bars(document: Document) -> list[Bar]:
    return [Bar(name, seen["default"]["p50_us"]) for name, seen in document["sets"].items()]


def _observe_bars(document: Document) -> list[Bar]:
    return [Bar(name, seen["ms"]) for name, seen in document["queries"].items()]


def _index_kills_bars(document: Document) -> list[Bar]:
    return [Bar("after the run", 100 * document["recall"]), Bar("a new index", 100 * document["recall_fresh"])]


Plot = tuple[str, str, Callable[[Document], Sequence[Bar]], tuple[tuple[str, float], ...]]

PLOTS: Mapping[str, Plot] = {
    "p1": ("CPU per chat request", "us", lambda d: _bars_of(d, "cpu_us"), ()),
    "p2": ("Gateway's own time, p50", "us", lambda d: _bars_of(d, "own_p50_us"), (("must", 20), ("aim", 11))),
    "p3": ("Added latency, one caller, p50", "us", lambda d: _bars_of(d, "added_p50_us"), (("must", 150), ("aim", 60))),
    "p4": ("Memory of supervisor and worker, 8,000 in flight", "MiB", _p4_bars, (("must", 180), ("aim", 120))),
    "p5": ("CPU per relayed event", "us", lambda d: _bars_of(d, "cpu_us_per_event"), ()),
    "p6": ("Process start to first answer", "s", lambda d: _bars_of(d, "ready_s"), (("must", 0.6), ("aim", 0.3))),
    "p7": ("Idle memory, whole tree", "MiB PSS", _p7_bars, (("must", 130), ("aim", 100))),
    "p8": ("CPU per answer out of the cache", "us", lambda d: _bars_of(d, "cpu_us"), ()),
    "p9": ("CPU per request", "us", lambda d: _bars_of(d, "cpu_us"), ()),
    "p11": ("CPU per chat request, translated", "us", lambda d: _bars_of(d, "cpu_us"), ()),
    "p12": ("CPU per chat request, TLS upstream", "us", lambda d: _bars_of(d, "cpu_us"), ()),
    "affinity": ("Hit rate / imbalance, conversations", "", _affinity_bars, ()),
    "quality": ("Hit rate with the guard, near misses of our own", "%", _quality_bars, ()),
    "index": ("Look-up p50, ef 64", "us", _index_bars, (("must", 300), ("aim", 120))),
    "index_kills": ("Recall@1, large scope, ef 64", "%", _index_kills_bars, ()),
    "observe": ("Charts over ten million rows", "ms", _observe_bars, (("must", 1000),)),
    "article": ("CPU per request, closed loop", "us", _article_bars, ()),
}


def _header(documents: Mapping[str, Document]) -> list[str]:
    """Machine and versions of the newest result; another machine among the results is pointed out."""
    newest = max(documents.values(), key=lambda document: str(document.get("taken", "")))
    machine, versions = newest["machine"], newest["versions"]
    lines = [
        "# Results",
        "",
        (
            "Rendered by `python -m bench.render` from `bench/results/*.json`; do not edit. How to run: "
            "[README.md](README.md)."
        ),
        "",
        f"* Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['kernel']}",
        f"* Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        (
            "* Load generator, upstream and gateway share the machine over loopback. Absolute times drift; "
            "ratios are taken inside one run."
        ),
        f"* Everything a run starts has nice {machine.get('nice', 0)}, the same for every subject.",
        '* "(pure)" is the same code with `MICROGATE_PURE=1`.',
    ]
    others = sorted({d["machine"]["cpu"] for d in documents.values()} - {machine["cpu"]})
    if others:
        lines.append(f"* Some results are from other machines: {', '.join(others)}")
    return [*lines, ""]


def _origin(document: Document) -> list[str]:
    """Method, when, which version; and whether others were working on the machine."""
    lines = [f"{document['method']} Taken {document['taken']}, microgate {document['versions']['microgate']}.", ""]
    cores, load = document["machine"]["cores"], document.get("load_before", 0.0)
    if load > cores / 2:
        lines += [
            f"The machine was busy before this run began (load average {load}): times are longer than its own.",
            "",
        ]
    return lines


def _section(case: str, document: Document, plots: Path) -> list[str]:
    lines = [f"## {NAMES.get(case, case.upper())}: {document['title']}", ""]
    lines += [*tables.TABLES[case](document), ""]
    title, unit, pick, marks = PLOTS[case]
    rows = pick(document)
    if rows:
        plots.mkdir(parents=True, exist_ok=True)
        (plots / f"{case}.svg").write_text(bars(title, unit, rows, marks))
        lines += [f"![{title}]({plots.name}/{case}.svg)", ""]
    lines += _origin(document)
    for note in document.get("notes", ()):
        lines += [f"Note: {note}", ""]
    for name, reason in document.get("missing", {}).items():
        lines += [f"Left out: {name} ({reason.splitlines()[0] if reason else 'no reason given'}).", ""]
    return lines


def render(results: Path, target: Path) -> str:
    """Write ``target`` and the plots beside it; returns the text. Raises ValueError when there are no results."""
    documents = {case: document for case, document in result.read(results).items() if case in ORDER}
    if not documents:
        raise ValueError(f"no results in {results}; run python -m bench.run first")
    micro = result.read(results).get("micro")
    lines = [*_header(documents), *tables.targets(documents, micro), ""]
    for case in ORDER:
        if case in documents:
            lines += _section(case, documents[case], target.parent / "plots")
    if micro is not None:
        lines += [f"## P10: {micro['title']}", "", *tables.micro(micro), "", *_origin(micro)]
    text = "\n".join(lines).rstrip() + "\n"
    target.write_text(text)
    return text


def main() -> None:
    """Render what the command line names."""
    bench = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=__doc__)
    parser.add_argument("--results", type=Path, default=bench / "results")
    parser.add_argument("--target", type=Path, default=bench / "RESULTS.md")
    chosen = parser.parse_args()
    render(chosen.results, chosen.target)
    print(chosen.target)


if __name__ == "__main__":
    main()

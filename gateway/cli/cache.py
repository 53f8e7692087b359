"""``microgate cache``: stats and clear ask the running gateway's control process; explain asks as a caller does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.calling import BadRequest, Calling, NobodyThere, read_request
from gateway.cli.running import Unreachable, ask

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG = 2
DAYS_SHOWN = 14
LEAST_THRESHOLD = 0.7
"""Of the curve that is shown: whoever sets a lower one asks for wrong answers."""
WIDE = 500
"""Columns of a file."""
MOST_BODY_BYTES = 32 << 20


def stats(data_dir: str, as_json: bool, out: TextIO) -> int:
    """Print what the cache keeps and what it has been good for; returns the exit status."""
    try:
        told = ask(data_dir, "GET", "/api/cache", None)
    except Unreachable as error:
        return complain(str(error))
    if as_json:
        print(json.dumps(told, indent=1), file=out)
        return EXIT_OK if told["running"] else EXIT_FAILED
    settings = told["settings"]
    if not settings["enabled"]:
        return complain("no cache is configured (cache.enabled)")
    if not told["running"]:
        return complain(told["problem"])
    console = _console(out)
    store = told["store"]
    what = "answers" if told["semantic"] is None else "answers and questions"
    entries = what if store["entries"] is None else f"{store['entries']:,} {what}"
    kept = f"{entries}, {size(store['bytes'])} of {size(store['max_bytes'])}"
    console.print(f"store    {escape(settings['store'] or store['kind'])}: {kept}")
    for remark in ([] if store["ok"] else [store["problem"]]) + store["notes"]:
        console.print(f"         {escape(remark)}")
    console.print(f"answers  kept for {span(settings['ttl_s'])}, shared by {settings['scope']}; {told['lost']} lost")
    table = Table("", box=None, pad_edge=False)
    for name in ("look-ups", "exact", "similar", "joined", "missed", "saved USD", "saved time"):
        table.add_column(name, justify="right")
    for day in told["days"][:DAYS_SHOWN]:
        table.add_row(day["day"], *_cells(day["sums"]))
    table.add_row("in all", *_cells(told["totals"]), end_section=True)
    console.print(table)
    if told["semantic"] is not None:
        _print_semantic(told["semantic"], settings["semantic"], console)
    return EXIT_OK


def _print_semantic(told: Mapping[str, Any], settings: Mapping[str, Any], console: Console) -> None:
    """As the web interface tells it (``ui/src/pages/cache/similar.tsx``)."""

    def line(text: str) -> None:
        console.print(f"  {escape(text)}")

    console.print(f"similar questions: {settings['mode']}, by {escape(settings['embedder'])}")
    if told["problem"]:
        line(told["problem"])
    for dimension, index in told["indexes"].items():
        vectors = "vectors" if index["entries"] is None else f"{index['entries']:,} vectors"
        line(f"{vectors} of {dimension} dimensions, {size(index['bytes'])}")
        for remark in ([] if index["ok"] else [index["problem"]]) + index["notes"]:
            line(f"  {remark}")
    if settings["mode"] == "verified":
        sure = f"sure enough {told['would_be_hits']:,}"
        line(f"looked up {told['lookups']:,}, learned from {told['observations']:,} comparisons, {sure}")
    else:
        line(f"looked up {told['lookups']:,}, near enough {told['would_be_hits']:,}")
    if told["audited"]:
        found = f"{told['wrong']:,} wrong ({told['wrong_per_hit']:.1%}"
        sure = f"with 95 % confidence at most {told['wrong_per_hit_upper']:.1%}"
        line(f"asked afresh and compared {told['audited']:,}: {found}, {sure}); {_of_lookups(told, settings)}")
    else:
        of = " of these" if settings["mode"] == "verified" else ""
        line(f"asked afresh and compared none{of} so far")
    points = [point for point in told["curve"] if point["threshold"] >= LEAST_THRESHOLD]
    if points:
        table = Table("  threshold", box=None, pad_edge=False)
        for name in ("hits without guard", "wrong", "hits with guard", "wrong"):
            table.add_column(name, justify="right")
        for point in points:
            if point["plain_hits"]:
                counts = (point[name] for name in ("plain_hits", "plain_wrong", "hits", "wrong"))
                table.add_row(f"  {point['threshold']:.2f}", *(f"{count:,}" for count in counts))
        console.print(table)


def _of_lookups(told: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    most = f"of all look-ups at most {told['wrong_per_lookup_upper']:.2%}"
    return f"{most}, bound {settings['error_bound']:.2%}" if settings["mode"] == "verified" else most


def clear(named: Mapping[str, str], data_dir: str, out: TextIO) -> int:
    """Forget the answers of whom ``named`` names, or all; returns the exit status."""
    body = {kind: name for kind, name in named.items() if name}
    try:
        told = ask(data_dir, "POST", "/api/cache/clear", body)
    except Unreachable as error:
        return complain(str(error))
    print(f"{told['forgotten']:,} forgotten: answers, and questions kept beside them", file=out)
    if told["note"]:
        print(told["note"], file=out)
    return EXIT_OK


def explain(file: str, url: str, key: str, as_json: bool, out: TextIO) -> int:
    """Print what the cache would say of the request in ``file`` (``-``: standard input); returns the exit status."""
    try:
        if file == "-":
            text = sys.stdin.buffer.read(MOST_BODY_BYTES)
        else:
            with open(file, "rb") as opened:
                text = opened.read(MOST_BODY_BYTES)
        calling = Calling(url, key)
        answer = calling.ask(read_request(text), "explain")
        calling.close()
    except (BadRequest, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return complain(f"{file}: {why}" if not isinstance(error, BadRequest) else str(error), EXIT_WRONG)
    except NobodyThere as error:
        return complain(str(error))
    if answer.status != 200:
        return complain(answer.message)
    if as_json:
        print(answer.body.decode(), file=out)
    else:
        _print_explanation(json.loads(answer.body), _console(out))
    return EXIT_OK


def _console(out: TextIO) -> Console:
    """What no terminal shows is not wrapped."""
    return Console(file=out, highlight=False, soft_wrap=True, width=None if out.isatty() else WIDE)


def _print_explanation(told: Mapping[str, Any], console: Console) -> None:
    def line(name: str, value: object) -> None:
        console.print(f"{name:<11}{escape(str(value))}")

    line("verdict", told["verdict"] + (f": {told['because']}" if told["because"] else ""))
    line("request", f"{told['model']}, {told['operation']}, {told['dialect']}{', streamed' if told['stream'] else ''}")
    key = told["key"]
    if key is not None:
        line("key", f"{key['scope']} {key['digest']}")
        partition = f", partition {key['partition']!r}" if key["partition"] else ""
        line("shared by", key["shared_by"] + partition)
        line("leads to", ", ".join(key["leads_to"]) or "nowhere")
    exact = told["exact"]
    if exact is not None:
        made = (
            f"by {exact['provider']}/{exact['model']}, {exact['prompt_tokens']} + {exact['completion_tokens']} tokens"
        )
        line("exact", f"{span(exact['age_s'])} old, {size(exact['body_bytes'])}, {made}")
        if not exact["usable"]:
            line("", exact["because"])
    elif key is not None:
        line("exact", "none is kept")
    if told["under_way"]:
        line("under way", "an equal request, whose answer it would share")
    if told["similar"] is not None:
        _print_similar(told["similar"], console)
    if key is not None and key["form"] is not None:
        line("canonical", key["form"])


def _print_similar(similar: Mapping[str, Any], console: Console) -> None:
    for name, value in similar.items():
        if name != "nearest" and value is not None:
            console.print(f"similar    {escape(name.replace('_', ' '))}: {escape(str(value))}")
    rows = similar.get("nearest") or []
    if rows:
        names = list(rows[0])
        table = Table(*(name.replace("_", " ") for name in names), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(escape(str(row.get(name, ""))) for name in names))
        console.print(table)


def _cells(sums: Mapping[str, Any]) -> list[str]:
    def share(name: str) -> str:
        rate = sums[f"{name}_rate"]
        return f"{sums[name]:,}" if rate is None else f"{sums[name]:,} ({rate:.1%})"

    hits = [share(name) for name in ("exact", "similar", "joined")]
    return [f"{sums['lookups']:,}", *hits, f"{sums['missed']:,}", sums["saved_usd"], span(sums["saved_s"])]


def size(count: int) -> str:
    """Bytes for people."""
    amount, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 1024 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def span(seconds: float) -> str:
    """A time for people, in its two largest units."""
    left = round(seconds)
    if left < 60:
        return f"{seconds:.3g} s"
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def complain(why: str, status: int = EXIT_FAILED) -> int:
    print(f"microgate: {why}", file=sys.stderr)
    return status

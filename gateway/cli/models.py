"""``microgate models``: the bundled facts about models, shown and made anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from gateway.cli.refresh_models import SourceError, refresh
from gateway.snapshot.facts import HOME
from providers.models.matching import OTHERS_TOO, files_of
from providers.vendors import VENDORS

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNKNOWN = 2

Document = dict[str, Any]


def show(provider: str, as_json: bool, out: TextIO) -> int:
    """What is known of one provider's models, or of whom something is known; returns the exit status."""
    if not provider:
        rows = list(_vendors())
        if as_json:
            print(json.dumps(rows, indent=1), file=out)
        else:
            _print_vendors(rows, out)
        return EXIT_OK
    documents = {file: _document(file) for file in files_of(provider) if (HOME / f"{file}.json").exists()}
    if not documents:
        known = ", ".join(row["provider"] for row in _vendors())
        print(f"microgate: nothing is known of the models of {provider!r}; there is: {known}", file=sys.stderr)
        return EXIT_UNKNOWN
    if as_json:
        print(json.dumps(next(iter(documents.values())), indent=1), file=out)
    else:
        _print_models(documents, _others(provider), out)
    return EXIT_OK


def make(taken: str, out: TextIO) -> int:
    """Make the files anew as of a day; returns the exit status."""
    try:
        changed = refresh(date.fromisoformat(taken))
    except (SourceError, OSError, ValueError) as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    for path in changed:
        print(path, file=out)
    print(f"{len(changed)} files changed", file=out)
    return EXIT_OK


def _document(file: str) -> Document:
    document: Document = json.loads((HOME / f"{file}.json").read_text())
    return document


def _others(provider: str) -> tuple[str, ...]:
    return tuple(other for file in files_of(provider) for other in OTHERS_TOO.get(file, ()))


def _vendors() -> Iterator[Document]:
    """Every vendor of whose models something is known."""
    documents: dict[str, Document] = {}
    for vendor in sorted(VENDORS):
        file = files_of(vendor)[0]
        if file not in documents and (HOME / f"{file}.json").exists():
            documents[file] = _document(file)
        if file in documents:
            models = documents[file]["models"].values()
            yield {
                "provider": vendor,
                "models": len(models),
                "priced": sum("prices" in entry for entry in models),
                "taken": documents[file]["taken"],
                "sources": documents[file]["sources"],
            }


def _print_vendors(rows: list[Document], out: TextIO) -> None:
    table = Table("provider", box=None, pad_edge=False)
    for heading in ("models", "with a price"):
        table.add_column(heading, justify="right")
    table.add_column("as of")
    table.add_column("sources")
    for row in rows:
        sources = ", ".join(row["sources"])
        table.add_row(row["provider"], str(row["models"]), str(row["priced"]), row["taken"], sources)
    print_table(table, out)


def _print_models(documents: dict[str, Document], others: tuple[str, ...], out: TextIO) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for heading in ("context", "answer", "$/M in", "$/M out", "$/M cached"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("takes and can")
    for file, document in documents.items():
        if file in others:
            continue
        for identity, entry in document["models"].items():
            prices = entry.get("prices", {})
            can = [*(part for part in entry.get("input", ()) if part != "text"), *entry.get("can", ())]
            if entry.get("kind", "chat") != "chat":
                can.insert(0, entry["kind"])
            if "deprecated" in entry:
                can.insert(0, "deprecated")
            sizes = [str(entry.get(name, "")) for name in ("context", "max_output")]
            money = [prices.get(name, "") for name in ("input", "output", "cache_read")]
            table.add_row(identity, *sizes, *money, ", ".join(can))
    print_table(table, out)
    if others:
        print(f"Also looked up, at their makers' prices: models of {', '.join(others)}.", file=out)


def print_table(table: Table, out: TextIO) -> None:
    """A line is a row, also where a pipe has no width."""
    console = Console(file=out, width=None if out.isatty() else 240, highlight=False)
    console.print(table)

"""``python -m bench.reliability.page``: docs/reliability.md from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.load import result
from bench.reliability import figures, run
from bench.reliability.promises import GROUPS, PROMISES

TARGET = result.ROOT / "docs" / "reliability.md"

BEGINNING = """\
# What is promised when something goes wrong, and what was measured?

Rendered by `python -m bench.reliability.page` from `bench/results/reliability.json`; do not edit.
`python -m bench.run reliability ID...` measures figures again, from a checkout built with `make`; `--quick` shows in
short that it works. The test file beside a figure guards its promise at every change. L is half of the measured
capacity, at most 2,000 requests a second.
"""

MISSING = "not measured yet"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _row(name: str, measured: Mapping[str, Any] | None) -> str:
    promise = PROMISES[name]
    known = figures.load().get(name)
    cells = [name, f"{promise.about}: {promise.accepted}"]
    if measured is None:
        cells += [MISSING, ""]
    else:
        values = [f"{what}: {value}" for what, value in measured["values"].items()]
        cells += ["; ".join(values), "kept" if measured["kept"] else "**not kept**"]
        if measured["note"]:
            cells[-2] += f". {measured['note']}"
    cells.append(f"`python -m bench.run reliability {name}`; `{known.guard}`" if known else "")
    return f"| {' | '.join(map(_cell, cells))} |"


def _origin(entries: list[Mapping[str, Any]]) -> list[str]:
    """Where and when; figures are taken one by one, so several machines or versions may have taken part."""
    taken = sorted({entry["taken"][:10] for entry in entries})
    machines = {
        f"{at['cpu']}, {at['cores']} cores, {at['memory_gib']} GiB, Linux {at['kernel']}"
        for at in (entry["machine"] for entry in entries)
    }
    versions = sorted({f"{of['microgate']} (Python {of['python']})" for of in (entry["versions"] for entry in entries)})
    between = taken[0] if len(taken) == 1 else f"between {taken[0]} and {taken[-1]}"
    return [f"Measured {between} on {' and on '.join(sorted(machines))}, of microgate {', '.join(versions)}.", ""]


def text(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page; every promise has a row, also one that nobody has measured."""
    lines = [BEGINNING]
    if measured:
        lines += _origin(list(measured.values()))
    for group, heading in GROUPS.items():
        lines += [
            f"## {heading}",
            "",
            "| | promised | measured | | how to measure again; guarded by |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(name, measured.get(name)) for name in PROMISES if name.startswith(group)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def write(target: Path = TARGET) -> None:
    """Render the results that count."""
    target.write_text(text(run.read(run.path())))


if __name__ == "__main__":
    write()
    print(TARGET)

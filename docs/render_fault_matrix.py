"""Renders docs/fault-matrix.md from the data of its test.

python docs/render_fault_matrix.py > docs/fault-matrix.md
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.faults.matrix import Cell, Matrix, Row, load

INTRODUCTION = """\
# What does a caller see when a provider fails?

Each cell is tried against a running gateway by `tests/faults/test_matrix.py`, with providers that
[fail as told](faults.md). The page is rendered from `tests/faults/matrix.yaml` by `docs/render_fault_matrix.py`. A
route has one target with one key, and one fallback or none:

```yaml
{configuration}```

A cell says what the caller gets, and in brackets how many calls reach the target and, behind a plus, the fallback.

| cell | meaning |
|---|---|
| whole | the whole answer, with status 200 |
| a status | an error in the caller's dialect, as JSON |
| error event | the stream had begun and ends with one; where it was cut, its body has no end either |
| as sent | the stream holds an event that is no JSON, as the provider sent it |

Over all cells, no stream that was cut ends as if it were whole, no caller gets two answers or parts of two, nothing is
asked again once a caller has text, and no request makes more attempts than `retry.attempts` says.

The columns are an answer that is no stream, a stream, and a translated stream: its caller speaks OpenAI's dialect, its
provider Anthropic's. Each is tried without a fallback and with one. Before its first text a stream can go elsewhere,
because `timeouts.first_token` is set and there is another target ([streams.md](streams.md)).
"""
KINDS = {"plain": "no stream", "stream": "stream", "translated": "translated stream"}


def said(cell: Cell) -> str:
    calls = f"{cell.trouble} + {cell.spare}" if cell.spare else str(cell.trouble)
    return f"{'whole' if cell.seen == '200' else cell.seen} ({calls})"


def fault(row: Row) -> str:
    return " ".join(f"`{word}`" for word in row.fault.split()) + (": " if row.fault else "") + row.what


def table(rows: list[Row]) -> list[str]:
    head = [f"{name}{behind}" for name in KINDS.values() for behind in ("", ", fallback")]
    lines = ["| fault | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for row in rows:
        promised = row.promised()
        places = [(kind, backed) for kind in KINDS for backed in (False, True)]
        cells = [said(promised[place]) if place in promised else "" for place in places]
        lines.append(f"| {fault(row)} | " + " | ".join(cells) + " |")
    return lines


def page(matrix: Matrix) -> str:
    configuration = yaml.safe_dump(matrix.configuration, sort_keys=False, default_flow_style=None, width=120)
    out = [INTRODUCTION.format(configuration=configuration).rstrip("\n")]
    for title, rows in matrix.groups.items():
        out += ["", f"## {title}", "", *table(rows)]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(load()))

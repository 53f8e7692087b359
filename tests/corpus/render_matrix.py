"""Renders docs/translation-matrix.md from the recordings: ``python -m tests.corpus.render_matrix``."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

from tests.corpus import matrix, matrix_requests
from tests.corpus.matrix import NAMES, Cell
from tests.corpus.matrix_rules import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "translation-matrix.md"

INTRODUCTION = """\
# How much of an answer arrives, whoever asks?

Recorded answers of real providers, plain and streamed, were translated for callers of every other dialect, streams cut
at random places on the way. What the caller's official SDK reads in the translation is compared with what the
provider's own SDK reads in the recording: the text, the tool calls (ids, names, arguments), the thoughts, the reason
for the end, and the tokens (all, produced, cached, for thinking). The readers know nothing of the gateway's code
(`tests/corpus/readout/`): they are the types and parsers of openai-python, anthropic, google-genai, botocore (which
checks every CRC), cohere and ollama. Types are strict about what the gateway wrote: a value that the SDK does not know,
or one that it misses, is an error.

This page is rendered by `python -m tests.corpus.render_matrix`; a test keeps it true, and fails under 99 %.
"""
REQUESTS = """
## Requests

Recorded requests, written for providers of every other dialect: the types of the provider's SDK accept them. Requests
that cannot be said at all (tools in a completion, a conversation that another provider keeps) are refused by name, and
are not among these.
"""
RULES_TEXT = """
## Explained exceptions

Where the caller's dialect has no place for something, the rest is compared. So many rows needed each rule:
"""


def table(cells: dict[tuple[str, str], Cell]) -> list[str]:
    lines = ["| provider \\ caller | " + " | ".join(f"`{name}`" for name in NAMES) + " |"]
    lines.append("|---|" + "---|" * len(NAMES))
    for source in NAMES:
        shown = [_shown(cells.get((source, target))) for target in NAMES]
        lines.append(f"| `{source}` | " + " | ".join(shown) + " |")
    return lines


def _shown(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell.equal} of {cell.checked}"


def totals(cells: dict[tuple[str, str], Cell]) -> tuple[int, int]:
    return sum(cell.equal for cell in cells.values()), sum(cell.checked for cell in cells.values())


def measured() -> tuple[dict[tuple[str, str], Cell], dict[tuple[str, str], Cell], Counter[str]]:
    answers: dict[tuple[str, str], Cell] = {}
    requests: dict[tuple[str, str], Cell] = {}
    used: Counter[str] = Counter()
    pairs = [(source, target) for source in NAMES for target in NAMES if source != target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for pair in pairs:
            answers[pair], rules = matrix.run(*pair)
            used += rules
            requests[pair], _ = matrix_requests.run(*pair)
    return answers, requests, used


def page(answers: dict[tuple[str, str], Cell], requests: dict[tuple[str, str], Cell], used: Counter[str]) -> str:
    out = [INTRODUCTION]
    for heading, cells in (("## Answers", answers), (REQUESTS, requests)):
        equal, checked = totals(cells)
        out += [heading, f"\n{equal} of {checked} equal, {100 * equal / checked:.2f} %.\n", *table(cells)]
        wrong = [f"* `{a}` for `{b}`: {line}" for (a, b), cell in cells.items() for line in cell.unequal]
        out += ["\nNot equal:\n", *wrong] if wrong else []
        if cells is answers:
            out += [RULES_TEXT, "| rows | rule |", "|---|---|"]
            out += [f"| {count} | {RULES[name]} |" for name, count in used.most_common() if count]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(*measured()))

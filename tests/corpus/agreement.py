"""How many recorded exchanges agree with the tables of vendors and of native dialects.

``python -m tests.corpus.agreement CORPUS > docs/recorded_exchanges.json`` writes the figures for docs/providers.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from providers.natives import NATIVES
from providers.vendors import VENDORS, Vendor

FILES = {
    "vllm": "openai-compat-local",
    "ollama_cloud": "ollama",
    "azure_deployments": "azure",
    "bedrock_mantle": "bedrock-mantle",
}
LOCAL = frozenset({"ollama", "vllm", "gpustack"})
"""Recorded on somebody's own machine, whose name was kept or left out, and the base path with it."""
OWN_MACHINE = r"(?:(?:localhost|127\.0\.0\.1)(?::\d+)?)?"

WITH_OBJECTS = frozenset({"files", "batches", "models"})
"""Operations that go on below their path."""

STREAMED = {
    ":generateContent": ":(?:g|streamG)enerateContent",
    "/converse": "/converse(?:-stream)?",
    "/invoke": "/invoke(?:-with-response-stream)?",
}
"""End of a path -> the same with its form for streams."""

Figures = dict[str, dict[str, int]]


def figures(corpus: Path) -> dict[str, Figures]:
    """``vendors`` and ``natives`` -> name -> operation -> exchanges with a good answer at the place the row names."""
    seen: dict[str, Counter[tuple[str, str]]] = {}
    for file in sorted((corpus / "exchanges").glob("*.jsonl")):
        with file.open() as rows:
            seen[file.stem] = Counter(filter(None, map(_place, rows)))
    vendors = {name: _of_vendor(row, seen.get(FILES.get(name, name), Counter())) for name, row in VENDORS.items()}
    natives = {}
    for name, native in NATIVES.items():
        url = urlsplit(native.base_url)
        wanted = {operation: _pattern(url.path + path) for operation, path in native.paths.items() if path}
        host = OWN_MACHINE if name in LOCAL else _pattern(url.netloc)
        natives[name] = _count(seen.get(name, Counter()), host, wanted)
    return {"natives": _told(natives), "vendors": _told(vendors)}


def _place(line: str) -> tuple[str, str] | None:
    row = json.loads(line)
    if not 200 <= row["status"] < 300:
        return None
    return row["host"].removesuffix(":443"), row["path"].partition("?")[0]


def _of_vendor(row: Vendor, seen: Mapping[tuple[str, str], int]) -> dict[str, int]:
    if row.evidence != "recorded":
        return {}
    url = urlsplit(row.base_url)
    base = "(?:/v1)?" if row.name in LOCAL else _pattern(url.path)
    host = OWN_MACHINE if row.name in LOCAL else _pattern(url.netloc)
    if row.name == "huggingface":
        # The router's older form names the inference provider before /v1.
        base = "(?:/[a-z-]+)?" + base
    if row.operations == ("passthrough",):
        return _count(seen, host, {"passthrough": base + "/.*"})
    wanted = {}
    for operation in row.operations:
        below = "(?:/.*)?" if operation in WITH_OBJECTS else "/.+" if operation == "response_object" else ""
        if operation != "passthrough":
            wanted[operation] = base + _pattern(row.path_of(operation)) + below
    return _count(seen, host, wanted)


def _pattern(path: str) -> str:
    """A path of the tables, its words in braces standing for anything."""
    parts = re.split(r"\{\w+\}", path)
    last = next((parts[-1].removesuffix(end) + form for end, form in STREAMED.items() if parts[-1].endswith(end)), None)
    return "[^/]+".join([*map(re.escape, parts[:-1]), last or re.escape(parts[-1])])


def _count(seen: Mapping[tuple[str, str], int], host: str, wanted: Mapping[str, str]) -> dict[str, int]:
    """``host`` and the values of ``wanted`` are patterns."""
    return {
        operation: sum(
            count for (at, path), count in seen.items() if re.fullmatch(host, at) and re.fullmatch(pattern, path)
        )
        for operation, pattern in wanted.items()
    }


def _told(found: Figures) -> Figures:
    counted = {name: {op: count for op, count in sorted(ops.items()) if count} for name, ops in sorted(found.items())}
    return {name: ops for name, ops in counted.items() if ops}


def _lines(found: dict[str, Figures]) -> Iterator[str]:
    """One line a row of the tables."""
    for table, rows in found.items():
        told = ",\n".join(f"  {json.dumps(name)}: {json.dumps(ops)}" for name, ops in rows.items())
        yield f"{json.dumps(table)}: {{\n{told}\n }}"


def text(corpus: Path) -> str:
    return "{" + ",\n ".join(_lines(figures(corpus))) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(text(Path(sys.argv[1])))

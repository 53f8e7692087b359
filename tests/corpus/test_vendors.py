"""Rows of the vendor table that say ``recorded`` agree with recorded exchanges."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from providers.vendors import VENDORS
from tests.corpus.agreement import FILES, LOCAL, figures, text

PAGE_FIGURES = Path(__file__).resolve().parents[2] / "docs" / "recorded_exchanges.json"
RECORDED = sorted(name for name, row in VENDORS.items() if row.evidence == "recorded" and name != "demo")


@pytest.fixture(scope="module")
def seen(corpus: Path) -> dict[str, set[tuple[str, str]]]:
    """File -> hosts and paths of its exchanges."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for file in (corpus / "exchanges").glob("*.jsonl"):
        with file.open() as rows:
            for line in rows:
                row = json.loads(line)
                found[file.stem].add((row["host"].removesuffix(":443"), row["path"].partition("?")[0]))
    return found


@pytest.mark.parametrize("name", RECORDED)
def test_some_operation_was_recorded_where_the_row_says(name: str, seen: dict[str, set[tuple[str, str]]]) -> None:
    row = VENDORS[name]
    url = urlsplit(row.base_url)
    exchanges = seen[FILES.get(name, name)]
    if name in LOCAL:
        assert any(path.endswith(("/chat/completions", "/completions")) for _, path in exchanges)
        return
    suffix = url.netloc.rpartition("}")[2]
    paths = [path for host, path in exchanges if host.endswith(suffix)]
    if name == "huggingface":
        # The router's older form names the inference provider before /v1.
        assert any(path.endswith("/v1/chat/completions") for path in paths)
        return
    if row.operations == ("passthrough",):
        assert paths
        return
    wanted = [url.path + row.path_of(op).replace("{model}", "gpt-4o") for op in row.operations if op != "passthrough"]
    assert set(paths) & set(wanted), paths


def test_the_figures_of_the_providers_page_are_counted(corpus: Path) -> None:
    command = "python -m tests.corpus.agreement CORPUS > docs/recorded_exchanges.json"
    assert text(corpus) == PAGE_FIGURES.read_text(), f"run: {command}, then docs/render_providers.py"
    # Whoever says recorded has a figure, and nobody else.
    assert figures(corpus)["vendors"].keys() == set(RECORDED)


def test_usage_of_streams_that_did_not_ask(corpus: Path) -> None:
    """``ask`` and ``always`` are what recorded streams without ``stream_options`` show, where there are any."""
    for name in ("openai", "azure", "huggingface", "deepseek", "mistral"):
        unasked = [
            '"usage":{' in row["response_body"].replace('": ', '":')
            for line in (corpus / "exchanges" / f"{name}.jsonl").read_text().splitlines()
            for row in [json.loads(line)]
            if row["streaming"] and row["status"] == 200 and "chat/completions" in row["path"]
            if isinstance(row["response_body"], str) and not _asks(row["request_body"])
        ]
        assert unasked
        assert all(unasked) == (VENDORS[name].stream_usage == "always"), name


def _asks(body: object) -> bool:
    if isinstance(body, str):
        return "stream_options" in body
    return isinstance(body, dict) and bool(body.get("stream_options"))

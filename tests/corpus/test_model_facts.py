"""Names of models that callers really used: those we know are the ones that the source of the prices knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from genai_prices.data import providers as priced

from gateway.cli.model_sources import PRICES_OF
from gateway.snapshot.facts import read
from providers.models.matching import Index

IN_PATHS = {
    "gemini": r"/models/([^/:]+)",
    "vertex": r"/models/([^/:]+)",
    "bedrock": r"/model/(.+?)/(?:converse|invoke)",
}
VENDORS = [
    "anthropic",
    "azure",
    "bedrock",
    "cerebras",
    "cohere",
    "deepseek",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "openrouter",
    "perplexity",
    "snowflake",
    "together",
    "vertex",
    "voyage",
    "xai",
    "zai",
]
NO_MODEL = re.compile(
    r"nonexist|non-exist|not-exist|exist$|wrong|ultra$|flahs|sonet|proo$|testing$|application-inference"
)
"""Names that tests of others made up in order to be refused, or that are ids of something of their own."""


def asked(file: Path, vendor: str) -> Iterator[str]:
    """Models of requests that had a good answer."""
    for line in file.read_text().splitlines():
        row: dict[str, Any] = json.loads(line)
        body = row["request_body"]
        if vendor in IN_PATHS:
            found = re.search(IN_PATHS[vendor], unquote(row["path"]))
            name = found[1] if found else None
        else:
            name = body.get("model") if isinstance(body, dict) else None
        if isinstance(name, str) and row["status"] == 200:
            yield name


@pytest.fixture(scope="module")
def names(corpus: Path) -> dict[str, list[str]]:
    return {v: sorted(set(asked(corpus / "exchanges" / f"{v}.jsonl", v))) for v in VENDORS}


def find(files: list[Index], model: str) -> tuple[Index, str, bool] | None:
    for index in files:
        if hit := index.find(model):
            return index, *hit
    return None


def test_most_of_them_are_known(names: dict[str, list[str]]) -> None:
    every = [(vendor, name) for vendor, models in names.items() for name in models if not NO_MODEL.search(name)]
    unknown = [(vendor, name) for vendor, name in every if find(read(vendor), name) is None]
    print(f"{len(every) - len(unknown)} of {len(every)} recorded names are known")
    assert len(every) > 150
    assert len(unknown) < len(every) * 0.08, unknown


def test_a_price_is_the_one_that_the_source_has_for_this_name(names: dict[str, list[str]]) -> None:
    """genai-prices finds a model by patterns of its own; where both find one, it is the same."""
    sources = {provider.id: provider for provider in priced}
    compared, other = 0, []
    for vendor, models in names.items():
        files = read(vendor)
        for name in models:
            hit = find(files, name)
            if hit is None or "prices" not in hit[0].models[hit[1]] or not hit[2]:
                continue
            theirs = {m.id for p in PRICES_OF[hit[0].file] if (m := sources[p].find_model(name)) is not None}
            compared += 1
            # An entry of its own was made of a further name of theirs.
            if theirs and hit[1] not in theirs:
                same = [hit[0].models[i] for i in theirs if i in hit[0].models]
                if [entry.get("prices") for entry in same] != [hit[0].models[hit[1]]["prices"]]:
                    other.append((vendor, name, hit[1], theirs))
    assert compared > 100
    assert other == []

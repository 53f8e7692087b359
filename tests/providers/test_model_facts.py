"""Facts about models: what the files hold, and which name leads to which entry."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import providers.models
from providers.models.matching import PRICED, RULES, Index, entry_of, facts_of, files_of, spellings

FILES = {
    path.stem: json.loads(path.read_text())["models"] for path in Path(providers.models.__file__).parent.glob("*.json")
}
PRICES_NAMED = re.compile(
    r"(?:input|output|cache_read|cache_write|cache_write_1h)(?:_(?:audio|image|video|reasoning|citation))?"
    r"|\w+_(?:kcount|hours|mchars|kpages)"
)


def entries() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file, models in FILES.items():
        for identity, entry in models.items():
            yield file, identity, entry


def figures(prices: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in prices.items():
        if name == "above":
            for tier in value:
                yield from ((key, price) for key, price in tier.items() if key != "tokens")
        else:
            yield name, value


def all_prices(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "prices" in entry:
        yield entry["prices"]
    for name in ("later", "hours", "variants"):
        yield from (row["prices"] for row in entry.get(name, ()))


def test_prices_are_decimals_as_the_source_writes_them() -> None:
    count = 0
    for file, identity, entry in entries():
        for prices in all_prices(entry):
            assert prices, (file, identity)
            for name, value in figures(prices):
                count += 1
                where = file, identity, name, value
                assert PRICES_NAMED.fullmatch(name), where
                assert re.fullmatch(r"0|(?:0|[1-9]\d*)(?:\.\d{0,7}[1-9])?", value), where
                # The noise of a float shows as a tail of digits: 0.30000000000000004, 2.4999999.
                assert not re.search(r"[1-9]\d*000000|999999", value.partition(".")[2]), where
                assert Decimal(value) < 2_000, where
    assert count > 5_000


def test_an_answer_seldom_costs_less_than_its_question() -> None:
    """Swapped columns would show here."""
    rows = [entry["prices"] for *_, entry in entries() if {"input", "output"} <= entry.get("prices", {}).keys()]
    cheaper = [prices for prices in rows if 0 < Decimal(prices["output"]) < Decimal(prices["input"])]
    assert len(rows) > 1_000
    assert len(cheaper) < len(rows) * 0.01
    reads = [prices for prices in rows if "cache_read" in prices]
    dearer = [prices for prices in reads if Decimal(prices["cache_read"]) > Decimal(prices["input"]) > 0]
    assert len(reads) > 300
    assert len(dearer) < len(reads) * 0.01


def test_sizes_and_capabilities_are_of_the_few_kinds_there_are() -> None:
    kinds = {"chat", "completion", "embedding", "image", "moderation", "ocr", "realtime", "rerank", "speech"}
    kinds |= {"transcription", "video"}
    parts = {"text", "image", "audio", "video", "file"}
    able = {"tools", "tool_choice", "parallel_tools", "structured_output", "reasoning", "prompt_cache", "web_search"}
    members = {"name", "names", "context", "max_output", "input", "output", "can", "kind", "deprecated"} | PRICED
    for file, identity, entry in entries():
        where = file, identity
        assert entry.keys() <= members, where
        assert entry.get("kind", "chat") in kinds, where
        assert set(entry.get("input", ())) <= parts, where
        assert set(entry.get("output", ())) <= parts, where
        assert set(entry.get("can", ())) <= able, where
        assert 0 < entry.get("context", 1) <= 20_000_000, where
        assert 0 < entry.get("max_output", 1) <= 2_000_000, where


def test_what_everybody_knows() -> None:
    entry = FILES["openai"]["gpt-4o-mini"]
    assert (entry["context"], entry["max_output"]) == (128_000, 16_384)
    assert (entry["prices"]["input"], entry["prices"]["output"]) == ("0.15", "0.6")
    assert {"tools", "structured_output"} <= set(entry["can"])
    assert "image" in entry["input"]
    assert FILES["openai"]["text-embedding-3-small"]["kind"] == "embedding"
    assert FILES["google"]["gemini-2.5-pro"]["prices"]["above"] == [
        {"tokens": 200_000, "cache_read": "0.25", "input": "2.5", "output": "15"}
    ]


def test_prices_of_vendors_that_only_one_source_knows() -> None:
    assert FILES["sambanova"]["DeepSeek-R1"]["prices"] == {"input": "5", "output": "7"}
    assert not any("prices" in entry for name in ("watsonx", "replicate") for entry in FILES[name].values())


def found(vendor: str, model: str) -> tuple[str, str, bool] | None:
    for file in files_of(vendor):
        if file in FILES and (hit := Index(file, FILES[file]).find(model)):
            return file, *hit
    return None


@pytest.mark.parametrize(
    ("vendor", "model", "file", "identity", "priced"),
    [
        ("openai", "gpt-4o", "openai", "gpt-4o", True),
        ("openai", "GPT-4o", "openai", "gpt-4o", True),
        ("openai", "gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini", True),
        ("openai", "gpt-4o-2024-05-13", "openai", "gpt-4o-2024-05-13", True),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai", "gpt-4o-mini", False),
        ("azure", "gpt-4.1", "azure", "gpt-4.1", True),
        ("azure", "o1-pro", "openai", "o1-pro", True),
        ("azure_deployments", "claude-opus-4-5", "azure", "claude-opus-4-5", True),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5", True),
        ("anthropic", "claude-3-5-haiku-20241022", "anthropic", "claude-3-5-haiku-latest", True),
        ("gemini", "models/gemini-2.5-pro", "google", "gemini-2.5-pro", True),
        ("gemini", "gemini-2.0-flash-001", "google", "gemini-2.0-flash", True),
        ("vertex", "google/gemini-2.5-flash", "google", "gemini-2.5-flash", True),
        ("vertex", "publishers/google/models/gemini-2.5-flash", "google", "gemini-2.5-flash", True),
        ("fireworks", "accounts/fireworks/models/deepseek-v3-0324", "fireworks", "deepseek-v3-0324", True),
        ("openrouter", "openai/gpt-4o-mini", "openrouter", "openai/gpt-4o-mini", True),
        ("openrouter", "openai/gpt-4o-mini:nitro", "openrouter", "openai/gpt-4o-mini", False),
        ("groq", "openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b", True),
        ("bedrock", "amazon.nova-pro-v1:0", "bedrock", "amazon.nova-pro-v1:0", True),
        ("bedrock", "eu.amazon.nova-pro-v1:0", "bedrock", "amazon.nova-pro-v1:0", True),
    ],
)
def test_a_name_leads_to_its_entry(vendor: str, model: str, file: str, identity: str, priced: bool) -> None:
    assert found(vendor, model) == (file, identity, priced)


def test_regions_of_bedrock_have_prices_of_their_own() -> None:
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    regional, world = (FILES["bedrock"][f"{where}.{model}"]["prices"] for where in ("regional", "global"))
    assert Decimal(regional["input"]) > Decimal(world["input"])
    for name in (
        model,
        f"us.{model}",
        f"eu.{model}",
        f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{model}",
    ):
        assert found("bedrock", name) == ("bedrock", f"regional.{model}", True), name
    assert found("bedrock", f"global.{model}") == ("bedrock", f"global.{model}", True)


def test_vertex_knows_claude() -> None:
    hit = found("vertex", "claude-sonnet-4-5@20250929")
    assert hit is not None
    assert FILES[hit[0]][hit[1]]["context"] >= 200_000


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("openai", "gpt-4o-but-better"),
        ("openai", "openai/gpt-4o"),
        ("openai", "gpt-4o-20240513x"),
        ("anthropic", "claude-sonet-4-5"),
        ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/otnfa2ysixqd"),
        ("openrouter", "gpt-4o"),
        ("custom", "gpt-4o"),
        ("ollama", "llama3"),
        ("openai", ""),
    ],
)
def test_a_name_that_no_rule_explains_is_unknown(vendor: str, model: str) -> None:
    assert found(vendor, model) is None


def test_every_entry_is_found_under_its_own_id_and_names() -> None:
    for file, models in FILES.items():
        index = Index(file, models)
        for identity, entry in models.items():
            assert index.find(identity) == (identity, True), (file, identity)
            for name in entry.get("names", ()):
                assert index.find(name) == (identity, True), (file, identity, name)


def test_a_price_that_is_anothers_is_left_out() -> None:
    index = Index("openai", FILES["openai"])
    tuned, base = entry_of(index, "ft:gpt-4o-mini:acme::x"), entry_of(index, "gpt-4o-mini")
    assert base is not None
    assert tuned == {name: value for name, value in base.items() if name not in PRICED}
    assert tuned != base


def test_files_of_a_vendor_complete_each_other() -> None:
    """Azure has OpenAI's models at OpenAI's price; what Azure's own entry says comes first."""
    own = Index("azure", {"m": {"context": 1, "can": ["tools"]}, "n": {"prices": {"input": "1"}}})
    makers = Index(
        "openai",
        {"m": {"context": 2, "prices": {"input": "3"}}, "n": {"prices": {"input": "4"}, "later": [{"from": ""}]}},
    )
    assert facts_of((own, makers), "m") == {"context": 1, "can": ["tools"], "prices": {"input": "3"}}
    assert facts_of((own, makers), "n") == {"prices": {"input": "1"}}
    assert facts_of((own, makers), "o") is None


def test_rules_end() -> None:
    """However long a name is, its spellings are few."""
    for file in FILES:
        assert len(list(spellings(file, "eu.models/a.models/b-v1:0-20250101" * 20))) < 2 ** len(RULES)

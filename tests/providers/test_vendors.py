"""The vendor table is whole and consistent."""

from urllib.parse import urlsplit

import pytest

from gateway.config.addresses import judge_url
from gateway.config.schema import OperationName
from providers.operations import Dialect, Operation
from providers.vendors import CUSTOM, DIALECTS, PATHS, VENDORS, Vendor

ROWS = [pytest.param(row, id=row.name) for row in VENDORS.values()]

PROMISED = (
    "openai azure mistral cohere groq cerebras fireworks together deepseek xai openrouter perplexity nebius "
    "huggingface ollama vllm sglang lmstudio nvidia databricks snowflake watsonx sambanova parasail moonshot zai "
    "alibaba minimax voyage jina github cloudflare writer replicate elevenlabs deepgram runway "
    "gemini anthropic bedrock vertex demo"
)


def test_every_promised_vendor_has_a_row() -> None:
    assert set(PROMISED.split()) - set(VENDORS) == set()
    assert CUSTOM not in VENDORS


@pytest.mark.parametrize("row", ROWS)
def test_a_row(row: Vendor) -> None:
    assert row.operations
    assert len(set(row.operations)) == len(row.operations)
    assert set(row.operations) <= set(PATHS)
    assert set(row.paths) <= set(row.operations)
    assert row.stream_usage in ("ask", "always", "never")
    assert row.evidence in ("recorded", "sdk", "docs")
    assert not row.base_url.endswith("/")
    assert all(row.path_of(op).startswith("/") or op == "passthrough" for op in row.operations)
    assert row.auth_header == row.auth_header.lower()


@pytest.mark.parametrize("row", [row for row in ROWS if row.id != "demo"])
def test_its_place_can_be_used(row: Vendor) -> None:
    url = row.base_url
    for word in row.placeholders:
        url = url.replace("{" + word + "}", "word" if word != "workspace" else "word.cloud.databricks.com")
    assert judge_url(url, allow_private=row.keyless or row.name == "gpustack") is None
    assert (urlsplit(url).scheme == "http") == (row.keyless or row.name == "gpustack")


def test_names_are_those_of_the_enumerations() -> None:
    operations = {op.name.lower() for op in Operation}
    assert set(PATHS) <= operations
    assert set(OperationName.__args__) == {*PATHS, "invoke"}
    assert {d.upper() for d in DIALECTS.values()} <= {d.name for d in Dialect}


def test_azure_deployments_stand_in_the_path() -> None:
    row = VENDORS["azure_deployments"]
    assert row.path_of("chat") == "/deployments/{model}/chat/completions"
    assert (row.auth_header, row.auth_scheme, row.query) == ("api-key", "", "api-version=2024-10-21")
    assert row.placeholders == ("resource",)


def test_dialects_of_a_row() -> None:
    assert VENDORS["cerebras"].dialects() == {
        "chat": "openai_chat",
        "completions": "openai_completions",
        "models": "openai_chat",
        "passthrough": "openai_chat",
    }

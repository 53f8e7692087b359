"""What recorded exchanges cost: as the gateway reads and charges them, and as genai-prices does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
from genai_prices.data import providers

from _speedups._cost import Rates
from _speedups._scan import CHAT, RESPONSES, StreamScan, UsageScan
from gateway.cli.model_sources import PRICES_OF
from gateway.phases.cost import completion_of, priced, prompt_of
from gateway.snapshot.facts import read
from providers import forms
from providers.dialects import load
from providers.dialects.openai_chat.answers import counted
from providers.eventstream import EventStreamReader
from providers.models.matching import files_of
from providers.neutral import Usage
from providers.prices.figures import rates_of
from providers.prices.lists import find
from providers.prices.schedule import in_force
from tests.corpus.dialect_rows import _bytes, dialect_of

VENDORS = {
    **{name: name for name in ("anthropic", "azure", "bedrock", "cerebras", "cohere", "deepseek", "gemini", "groq")},
    **{name: name for name in ("mistral", "openai", "openrouter", "perplexity", "together", "vertex", "voyage")},
    **{name: name for name in ("huggingface", "xai", "zai")},
    "bedrock-mantle": "bedrock_mantle",
}
"""File of recordings -> vendor."""
FLAVORS = (
    (r"(.*/)?(chat/completions|completions)", ("chat", "default")),
    (r"responses", ("responses", "default")),
    (r"messages", ("default",)),
    (r"converse(-stream)?", ("default",)),
    (r"invoke(-with-response-stream)?", ("anthropic",)),
    (r"(stream)?[gG]enerateContent", ("default",)),
    (r"v2/chat", ("default",)),
    (r"images/\w+", ("images",)),
    (r"(.*/)?embeddings|v2/embed", ("embeddings", "default")),
)
"""``endpoint`` of a recording -> genai-prices' ways of reading its usage, the first that the provider has."""
MODEL_IN_PATH = re.compile(r"/model/(.+?)/(?:converse|invoke)|/models/([^/:]+):")
SOURCES = {provider.id: provider for provider in providers}
MOMENT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Recorded:
    id: str
    file: str
    vendor: str
    endpoint: str
    model: str
    answer: bytes
    streaming: bool


def recordings(folder: Path) -> Iterator[Recorded]:
    """Good answers, whole ones, of vendors with a price list."""
    for file, vendor in VENDORS.items():
        with (folder / "exchanges" / f"{file}.jsonl").open() as lines:
            for line in lines:
                row = json.loads(line)
                answer = _bytes(row, "response_body")
                if row["status"] == 200 and answer and len(answer) < 190_000:
                    streaming = bool(row["streaming"]) and answer.lstrip()[:1] not in (b"{", b"[")
                    yield Recorded(row["id"], file, vendor, row["endpoint"], model_of(row), answer, streaming)


def model_of(row: dict[str, Any]) -> str:
    body = row["request_body"]
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        return str(body["model"])
    found = MODEL_IN_PATH.search(unquote(row["path"]))
    return (found[1] or found[2]) if found else ""


# --- the gateway's


@cache
def rates(vendor: str, model: str) -> Rates | None:
    entry = find(read(vendor), model) if model else None
    return None if entry is None else rates_of(in_force(entry, int(MOMENT.timestamp())))


def scanned(row: Recorded) -> UsageScan | None:
    """The usage as the books find it; None where none was said."""
    dialect = dialect_of(row.file, row.endpoint)
    usage = UsageScan()
    if row.endpoint == "v2/embed":
        tokens = forms.load("embeddings", "cohere").decode_answer(json.loads(row.answer), {}).input_tokens
        usage.judge(orjson.dumps({"usage": counted(Usage(tokens or 0))}))
    elif dialect and not dialect.startswith("openai_"):
        told = translated(row, dialect)
        if told is None:
            return None
        usage.judge(orjson.dumps({"usage": counted(told)}))
    elif row.streaming:
        stream = StreamScan(RESPONSES if row.endpoint.endswith("responses") else CHAT)
        stream.feed(row.answer)
        stream.flush()
        usage = stream.usage
    elif not usage.judge(row.answer):
        return None
    return usage if usage.found else None


def translated(row: Recorded, dialect: str) -> Usage | None:
    if not row.streaming:
        return load(dialect).decode_answer(json.loads(row.answer)).usage
    decoder = load(dialect).stream_decoder()
    told = [event for event in decoder.feed(row.answer) + decoder.end() if isinstance(event, Usage)]
    return told[-1] if told else None


def ours(row: Recorded, usage: UsageScan) -> tuple[int, bool]:
    """Nano-dollars, and whether the usage contradicts itself."""
    prices = rates(row.vendor, row.model)
    assert prices is not None
    cost = priced(prices, prompt_of(usage), completion_of(usage), usage)
    if row.endpoint == "v2/chat" and (told := translated(row, "cohere")) is not None and told.extra:
        billed = told.extra["billed_units"]
        cost = prices.cost(billed["input_tokens"], billed["output_tokens"])
    return (cost, False) if cost >= 0 else (~cost, True)


# --- genai-prices'


def documents(row: Recorded) -> Iterator[dict[str, Any]]:
    if not row.streaming:
        found = json.loads(row.answer)
        yield from found if isinstance(found, list) else [found]
    elif row.endpoint.endswith("-stream"):
        for frame in EventStreamReader().feed(row.answer):
            piece = json.loads(frame.payload or b"{}")
            if "bytes" in piece:
                import base64

                piece = json.loads(base64.b64decode(piece["bytes"]))
            yield piece
    else:
        for line in row.answer.decode("utf-8", "replace").splitlines():
            if line.startswith("data:") and line[5:].strip() not in ("[DONE]", ""):
                yield json.loads(line[5:])


def whole(row: Recorded) -> dict[str, Any]:
    """The answer with its usage in the place where a whole one has it."""
    made: dict[str, Any] = {}
    for document in documents(row):
        if not isinstance(document, dict):
            continue
        for holder in (document, *(document.get(name) for name in ("x_groq", "response", "message", "delta"))):
            if not isinstance(holder, dict):
                continue
            for name in ("usage", "usageMetadata", "meta", "usage_info"):
                if isinstance(holder.get(name), dict):
                    given = {key: value for key, value in holder[name].items() if value is not None}
                    made[name] = {**made.get(name, {}), **given} if "message_" in str(document.get("type")) else given
    return {**made, "model": row.model}


def source(row: Recorded) -> tuple[Any, Any] | None:
    """Provider and model of genai-prices."""
    for file in files_of(row.vendor):
        for name in PRICES_OF.get(file, ()):
            suffix = ":" + name.removeprefix("huggingface_") if name.startswith("huggingface_") else ""
            if not row.model.endswith(suffix):
                continue
            model = SOURCES[name].find_model(row.model.removesuffix(suffix))
            if model is not None:
                return SOURCES[name], model
    return None


def theirs(row: Recorded) -> int | str | None:
    """Nano-dollars; None: they have no price or no usage; text: why they refuse the usage."""
    found = source(row)
    if found is None:
        return None
    provider, model = found
    known = {extractor.api_flavor for extractor in provider.extractors or ()}
    flavors = next((names for pattern, names in FLAVORS if re.fullmatch(pattern, row.endpoint)), ())
    if row.file == "vertex" and "claude" in row.model:
        flavors = ("anthropic",)
    flavor = next((name for name in flavors if name in known), None)
    if flavor is None:
        return None
    try:
        _, usage = provider.extract_usage(whole(row), api_flavor=flavor)
    except AttributeError:
        return None  # it reads modalities as words only
    except ValueError as error:
        return None if "Missing value" in str(error) or "No usage" in str(error) else str(error)
    try:
        cost = model.calc_price(usage, provider, genai_request_timestamp=MOMENT)
    except ValueError as error:
        return str(error)
    return int((Decimal(cost.total_price) * 10**9).quantize(Decimal(1), ROUND_HALF_UP))

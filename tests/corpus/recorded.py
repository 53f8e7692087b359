"""Recorded exchanges of providers that speak an OpenAI dialect, made ready to be replayed through a gateway."""

from __future__ import annotations

import base64
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.vendors import PATHS, VENDORS, Vendor

VENDOR_OF = {
    "openai": "openai",
    "azure": "azure",
    "groq": "groq",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "openrouter": "openrouter",
    "together": "together",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "ollama": "ollama",
    "huggingface": "huggingface",
    "crusoe": "crusoe",
    "gpustack": "gpustack",
    "heroku": "heroku",
    "snowflake": "snowflake",
    "zai": "zai",
    "openai-compat-local": "vllm",
    "bedrock-mantle": "bedrock_mantle",
    "gemini": "gemini",
}
"""File of recordings -> row of the vendor table."""

OPERATIONS = {path: name for name, path in PATHS.items() if path and name not in ("response_object", "rerank")}
AZURE_VERSION = "api-version=2024-12-01-preview"
OBJECTS = re.compile(r"/(files|batches|responses)(/[A-Za-z0-9_.-]+)+$")


@dataclass
class Exchange:
    """One recording."""

    id: str
    file: str
    method: str
    caller_path: str
    """Where the caller sends it."""
    provider: Provider
    upstream_target: str
    """What the provider has to see."""
    recorded: bytes
    """The request's body as recorded."""
    model: str | None
    content_type: str
    status: int
    fields: list[tuple[str, str]]
    answer: bytes
    streaming: bool
    operation: str
    """Empty: relayed by the passthrough route."""
    cut: bool
    """The recording of a stream stops in the middle (they were kept up to 200 kB)."""

    def sent(self, provider: str) -> bytes:
        """What the caller sends: the recording with the provider's name before the model."""
        if self.model is None or not self.operation or "/deployments/" in self.caller_path:
            return self.recorded
        return with_model(self.recorded, self.model, f"{provider}/{self.model}", self.content_type)


@dataclass(frozen=True)
class Provider:
    """One configured provider: a vendor behind one prefix and query."""

    name: str
    vendor: str
    prefix: str
    query: str = ""


def read(folder: Path) -> list[Exchange]:
    """Every exchange of ``VENDOR_OF`` in an OpenAI dialect, or of a kind that the passthrough route relays."""
    found = []
    for file, vendor in VENDOR_OF.items():
        for line in (folder / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if file == "gemini" and "/openai/" not in row["path"]:
                continue
            found.append(exchange_of(row, file, VENDORS[vendor]))
    return found


def exchange_of(row: dict[str, Any], file: str, vendor: Vendor) -> Exchange:
    path, _, query = row["path"].partition("?")
    method = row["method"]
    operation, provider, caller_path = place(file, vendor, method, path, query)
    content_type = row["request_headers"].get("content-type", "")
    recorded = body_of(row["request_body"], row["request_body_encoding"], row["id"])
    if method == "POST" and recorded in (b"", b"[multipart form data omitted]"):
        recorded = stand_in(content_type)
    model = model_of(recorded, content_type) if operation else None
    return Exchange(
        id=row["id"],
        file=file,
        method=method,
        caller_path=caller_path,
        provider=provider,
        # The version of a dated API is the operator's choice, whatever the caller's SDK says.
        upstream_target=f"{path}?{provider.query}" if provider.query else row["path"],
        recorded=recorded,
        model=model,
        content_type=content_type,
        status=row["status"],
        fields=[(name, value) for name, value in row["response_headers"].items() if name not in LEFT_OUT],
        answer=answer_of(row),
        streaming=row["streaming"],
        operation=operation,
        cut=bool(row["streaming"] and len(row["response_body"]) > 200_000 and row["response_body"][-1] == "}"),
    )


LEFT_OUT = {"content-length", "transfer-encoding", "connection", "content-encoding", "date"}
"""Fields of the recorded answer that no longer fit its bytes."""


def place(file: str, vendor: Vendor, method: str, path: str, query: str) -> tuple[str, Provider, str]:
    """(operation, provider, caller's path) for a recorded path."""
    deployment = re.fullmatch(r"(/openai)/deployments/[^/]+(/chat/completions)", path)
    if deployment:
        return "chat", Provider("azure", "azure_deployments", deployment[1], AZURE_VERSION), path + "?" + query
    for end, operation in sorted(OPERATIONS.items(), key=lambda item: -len(item[0])):
        own = vendor.path_of(operation) if operation in vendor.operations else end
        if method == "POST" and path.endswith(own) and not OBJECTS.search(path):
            prefix = path[: -len(own)]
            return operation, named(file, vendor, prefix, query), "/v1" + end
    stateful = OBJECTS.search(path)
    if stateful and method in ("GET", "DELETE", "POST") and "files" in vendor.operations:
        prefix = path[: stateful.start()]
        rest = path[stateful.start() :] + ("?" + query if query else "")
        return "object", named(file, vendor, prefix, ""), "/v1" + rest
    root = named(file, vendor, "", "")
    return "", root, f"/passthrough/{root.name}{path}" + ("?" + query if query else "")


def named(file: str, vendor: Vendor, prefix: str, query: str) -> Provider:
    name = re.sub(r"[^a-z0-9]+", "-", f"{file}{prefix}".lower()).strip("-") or file
    return Provider(name if prefix else f"{file}-root", vendor.name, prefix, query)


def body_of(body: Any, encoding: str | None, seed: str) -> bytes:
    """The recorded body; parsed ones are written out again in one of several spellings, always the same for a row."""
    if body is None:
        return b""
    if encoding == "base64":
        return base64.b64decode(body)
    if encoding == "text":
        return str(body).encode()
    dice = random.Random(seed)
    ascii_only = dice.random() < 0.5
    form = dice.randrange(3)
    if form == 0:
        return json.dumps(body, ensure_ascii=ascii_only, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return json.dumps(body, ensure_ascii=ascii_only, indent=1 if form == 1 else None).encode("utf-8", "surrogatepass")


def stand_in(content_type: str) -> bytes:
    """A body for a recording that has none."""
    boundary = content_type.partition("boundary=")[2]
    if not boundary:
        return b'{"model": "stand-in", "messages": []}'
    parts = [
        'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF',
        'Content-Disposition: form-data; name="model"\r\n\r\nstand-in',
    ]
    return "".join(f"--{boundary}\r\n{part}\r\n" for part in parts).encode() + f"--{boundary}--\r\n".encode()


def answer_of(row: dict[str, Any]) -> bytes:
    body = row["response_body"] or ""
    return base64.b64decode(body) if row["response_body_encoding"] == "base64" else body.encode()


def model_of(body: bytes, content_type: str) -> str | None:
    if content_type.startswith("multipart/"):
        found = re.search(rb'name="model"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n', body)
        return found[1].decode() if found else None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    model = value.get("model") if isinstance(value, dict) else None
    return model if isinstance(model, str) else None


def with_model(body: bytes, old: str, new: str, content_type: str) -> bytes:
    """The same bytes with another value of the top-level model."""
    if content_type.startswith("multipart/"):
        pattern = rb'(name="model"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)' + re.escape(old.encode()) + rb"(?=\r\n)"
        return re.sub(pattern, lambda m: m[1] + new.encode(), body, count=1)
    token = json.dumps(old).encode()
    wanted = {**json.loads(body), "model": new}
    for found in re.finditer(rb'"model"\s*:\s*(' + re.escape(token) + rb")", body):
        changed = body[: found.start(1)] + json.dumps(new).encode() + body[found.end(1) :]
        if json.loads(changed) == wanted:
            return changed
    raise AssertionError(f"the model {old} was not found")


# --- what a provider's answer says about tokens


@dataclass
class Usage:
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


def events_of(stream: bytes) -> list[Any]:
    """JSON data of each event."""
    found = []
    for block in re.split(rb"\r\n\r\n|\n\n|\r\r", stream):
        data = b"\n".join(
            line[5:].removeprefix(b" ") for line in re.split(rb"\r\n|\n|\r", block) if line.startswith(b"data:")
        )
        if data and data != b"[DONE]":
            try:
                found.append(json.loads(data))
            except ValueError:
                continue
    return found


def usage_of(exchange: Exchange) -> Usage | None:
    """The recorded usage, read independently of the gateway; the last one of a stream."""
    if exchange.answer.lstrip()[:1] == b"{":
        try:
            documents = [json.loads(exchange.answer)]
        except ValueError:
            return None
    else:
        documents = events_of(exchange.answer)
    last = None
    for document in documents:
        if not isinstance(document, dict):
            continue
        for holder in (document, document.get("x_groq"), document.get("response")):
            usage = holder.get("usage") if isinstance(holder, dict) else None
            if isinstance(usage, dict) and any(isinstance(usage.get(name), int) for name in COUNTS):
                last = usage
    if last is None:
        return None
    ins = last.get("prompt_tokens_details") or last.get("input_tokens_details") or {}
    outs = last.get("completion_tokens_details") or last.get("output_tokens_details") or {}
    return Usage(
        prompt=last.get("prompt_tokens") or last.get("input_tokens") or 0,
        completion=last.get("completion_tokens") or last.get("output_tokens") or 0,
        cached=ins.get("cached_tokens") or last.get("prompt_cache_hit_tokens") or last.get("num_cached_tokens") or 0,
        reasoning=outs.get("reasoning_tokens") or 0,
    )


COUNTS = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens")


def without_usage_event(stream: bytes) -> bytes:
    """The stream without events whose choices are empty and which carry usage."""
    pieces = re.findall(rb"(?s).*?(?:\r\n\r\n|\n\n|\r\r)|.+\Z", stream)
    kept = []
    for piece in pieces:
        events = events_of(piece)
        if events and isinstance(events[0], dict) and events[0].get("choices") == [] and events[0].get("usage"):
            continue
        kept.append(piece)
    return b"".join(kept)

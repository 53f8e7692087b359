"""Recorded exchanges by the dialect they are written in, for tests of translation."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDPOINTS: dict[str, str] = {
    "openai_chat": r"(.*/)?chat/completions",
    "openai_responses": r"(openai/)?responses",
    "openai_completions": r"completions",
    "anthropic": r"(anthropic/v1/)?messages",
    "gemini": r"(stream)?[gG]enerateContent",
    "bedrock": r"converse(-stream)?",
    "bedrock_invoke": r"invoke(-with-response-stream)?",
    "cohere": r"v2/chat",
    "ollama": r"chat",
}
"""Dialect -> the ``endpoint`` of its recordings."""
_ONLY = {"ollama": {"ollama"}, "cohere": {"cohere"}, "bedrock": {"bedrock"}, "bedrock_invoke": {"bedrock"}}
_ALSO = {("writer", "chat"): "openai_chat"}


@dataclass(frozen=True)
class Row:
    id: str
    provider: str
    path: str
    request: Any
    """Decoded JSON of the request; None where it was not recorded."""
    status: int
    headers: dict[str, str]
    answer: bytes
    streaming: bool
    cut: bool
    """The recording stops in the middle (they were kept up to 200 kB)."""

    def json(self) -> Any:
        return json.loads(self.answer)


def directory() -> Path | None:
    """Where the recordings are, if they are here."""
    place = Path(os.environ.get("MICROGATE_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "data"))
    return place / "exchanges" if (place / "exchanges").is_dir() else None


def _bytes(row: dict[str, Any], name: str) -> bytes:
    value = row.get(name)
    if value is None:
        return b""
    encoding = row.get(f"{name}_encoding")
    if encoding == "base64":
        return base64.b64decode(value)
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()


def dialect_of(provider: str, endpoint: str) -> str:
    """Empty when it is none that translates."""
    if (provider, endpoint) in _ALSO:
        return _ALSO[provider, endpoint]
    for dialect, pattern in ENDPOINTS.items():
        if re.fullmatch(pattern, endpoint) and (dialect not in _ONLY or provider in _ONLY[dialect]):
            return dialect
    return ""


@functools.cache
def rows(dialect: str) -> list[Row]:
    """All recordings in this dialect."""
    return list(_rows(dialect))


def _rows(dialect: str) -> Iterator[Row]:
    place = directory()
    if place is None:
        return
    for path in sorted(place.glob("*.jsonl")):
        with path.open() as lines:
            for line in lines:
                row = json.loads(line)
                if dialect_of(row["provider"], row["endpoint"]) != dialect:
                    continue
                body = _bytes(row, "request_body")
                try:
                    request = json.loads(body)
                except ValueError:
                    request = None
                answer = _bytes(row, "response_body")
                yield Row(
                    row["id"],
                    row["provider"],
                    row["path"],
                    request if isinstance(request, dict) else None,
                    row["status"],
                    {name.lower(): str(value) for name, value in (row.get("response_headers") or {}).items()},
                    answer,
                    bool(row["streaming"]),
                    len(answer) >= 190_000,
                )

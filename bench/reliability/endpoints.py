"""A request for every way in that is metered, made from the table of routes itself: a route without one is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.server.routes import DATA, GEMINI_LIVE, MULTIPART, ROUTES, RouteEntry
from providers.operations import Dialect, Operation
from tests.live.frames import TEXT, frame, handshake
from tests.live.wire import request

MODEL = "m"
OBJECT = "file-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "hi"}]
BLOCKS = [{"role": "user", "content": [{"text": "hi"}]}]
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
MESSAGE = {"max_tokens": 8, "messages": MESSAGES}

BODIES: dict[tuple[Operation, Dialect], dict[str, Any]] = {
    (Operation.CHAT, Dialect.OPENAI_CHAT): {"model": MODEL, "messages": MESSAGES},
    (Operation.CHAT, Dialect.ANTHROPIC): {"model": MODEL, **MESSAGE},
    (Operation.CHAT, Dialect.BEDROCK): {"messages": BLOCKS},
    (Operation.CHAT, Dialect.COHERE): {"model": MODEL, "messages": MESSAGES},
    (Operation.CHAT, Dialect.GEMINI): {"contents": CONTENTS},
    (Operation.INVOKE, Dialect.BEDROCK_INVOKE): {"anthropic_version": "bedrock-2023-05-31", **MESSAGE},
    (Operation.COMPLETIONS, Dialect.OPENAI_COMPLETIONS): {"model": MODEL, "prompt": "hi"},
    (Operation.RESPONSES, Dialect.OPENAI_RESPONSES): {"model": MODEL, "input": "hi"},
    (Operation.COUNT_TOKENS, Dialect.OPENAI_RESPONSES): {"model": MODEL, "input": "hi"},
    (Operation.COUNT_TOKENS, Dialect.ANTHROPIC): {"model": MODEL, "messages": MESSAGES},
    (Operation.COUNT_TOKENS, Dialect.BEDROCK): {"input": {"converse": {"messages": BLOCKS}}},
    (Operation.COUNT_TOKENS, Dialect.GEMINI): {"contents": CONTENTS},
    (Operation.EMBEDDINGS, Dialect.OPENAI_CHAT): {"model": MODEL, "input": "hi"},
    (Operation.EMBEDDINGS, Dialect.COHERE): {
        "model": MODEL,
        "texts": ["hi"],
        "input_type": "search_query",
        "embedding_types": ["float"],
    },
    (Operation.EMBEDDINGS, Dialect.GEMINI): {"content": {"parts": [{"text": "hi"}]}},
    (Operation.MODERATIONS, Dialect.OPENAI_CHAT): {"model": MODEL, "input": "hi"},
    (Operation.SPEECH, Dialect.OPENAI_CHAT): {"model": MODEL, "input": "hi", "voice": "alloy"},
    (Operation.IMAGE_GENERATION, Dialect.OPENAI_CHAT): {"model": MODEL, "prompt": "hi"},
    (Operation.OCR, Dialect.OPENAI_CHAT): {
        "model": MODEL,
        "document": {"type": "document_url", "document_url": "http://127.0.0.1/a.pdf"},
    },
    (Operation.RERANK, Dialect.OPENAI_CHAT): {"model": MODEL, "query": "hi", "documents": ["hi"]},
    (Operation.RERANK, Dialect.COHERE): {"model": MODEL, "query": "hi", "documents": ["hi"]},
    (Operation.FILES, Dialect.ANTHROPIC): {},
    (Operation.BATCHES, Dialect.ANTHROPIC): {"requests": []},
    (Operation.FILES, Dialect.OPENAI_CHAT): {},
    (Operation.VIDEOS, Dialect.OPENAI_CHAT): {"model": MODEL, "prompt": "hi"},
    (Operation.BATCHES, Dialect.OPENAI_CHAT): {"endpoint": "/v1/chat/completions", "completion_window": "24h"},
    (Operation.RESPONSE_OBJECT, Dialect.OPENAI_CHAT): {},
    (Operation.PASSTHROUGH, Dialect.NONE): {"model": MODEL, "messages": MESSAGES},
}
BATCH = {"requests": [{"model": f"models/{MODEL}", "content": {"parts": [{"text": "hi"}]}}]}
BOUNDARY = "boundary"
STREAMING = (Operation.CHAT, Operation.COMPLETIONS, Operation.RESPONSES)


class Endpoint(NamedTuple):
    name: str
    """Method and path, as the table of routes has it."""
    operation: Operation
    anthropic: bool
    """Its objects are at a provider of Anthropic's dialect."""
    raw: bytes

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]


def endpoints(key: str, anthropic_key: str, *, unions: bool = True, stream: bool = False) -> Iterator[Endpoint]:
    """Every metered route with each of its methods. ``anthropic_key`` asks for Anthropic's objects. Without ``unions``
    those are left out that stand under several prefixes for the sake of some library. Raises KeyError for a route
    that nobody here knows how to ask. ``stream``: a stream is asked for where the body says so."""
    for row in ROUTES:
        if row.audience != DATA or not row.metered or (not unions and row.original != row.path):
            continue
        anthropic = row.stateful and row.dialect == Dialect.ANTHROPIC
        # Where sessions begin, nothing but their handshake is answered.
        for method in [b"GET"] if row.websocket else sorted(row.methods):
            raw = raw_of(row, method.decode(), anthropic_key if anthropic else key, stream)
            yield Endpoint(f"{method.decode()} {row.path}", Operation(row.operation), anthropic, raw)


def raw_of(row: RouteEntry, method: str, key: str, stream: bool) -> bytes:
    path = row.path.replace("{}", MODEL)
    if row.operation == Operation.PASSTHROUGH:
        path = path.replace("*", "mock/chat/completions")
    else:
        path = path.replace("*", MODEL if row.names_model else OBJECT)
    if row.operation == Operation.REALTIME:
        live = any(row.path.endswith(one.removeprefix("/genai")) for one in GEMINI_LIVE)
        if not live:
            return handshake(f"{path}?model={MODEL}", key, method=method)
        # What comes behind the first message is not waited for before it is there.
        return handshake(path, key, method=method) + frame(TEXT, json.dumps({"setup": {"model": MODEL}}))
    if method in ("GET", "HEAD", "DELETE"):
        return request(method, path, None, key)
    if row.body == MULTIPART:
        parts = {"model": MODEL, "prompt": "hi", "file": "bytes"}
        return request(method, path, form(parts), key, f"multipart/form-data; boundary={BOUNDARY}")
    body = BODIES[Operation(row.operation), Dialect(row.dialect)]
    if row.path.endswith("batchEmbedContents"):
        body = BATCH
    if stream and "model" in body and row.operation in STREAMING:
        body = {**body, "stream": True}
    return request(method, path, json.dumps(body).encode(), key)


def form(parts: dict[str, str]) -> bytes:
    lines = []
    for name, value in parts.items():
        file = '; filename="a.mp3"' if name == "file" else ""
        lines.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n')
    return ("".join(lines) + f"--{BOUNDARY}--\r\n").encode()

"""``/embeddings`` and ``/moderations`` of the demo upstream: the same answer for the same text, always."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping, Sequence

from gateway.demo import wording
from gateway.demo.connection import Reply

DIMENSIONS = 384
"""Unless the caller asks for another number; the size of common small embedding models."""

MAX_DIMENSIONS = 8192
"""Twice the largest any vendor offers."""

_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip

_ALARMING = frozenset(("kill", "murder", "violence", "attack"))


def embedding(text: str, dimensions: int) -> list[float]:
    """A unit vector for a text: the sum of one pseudo-random vector per word, so that texts sharing words are near."""
    total = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        raw = hashlib.shake_128(word.encode()).digest(dimensions)
        for i, byte in enumerate(raw):
            total[i] += byte - 127.5
    norm = math.sqrt(sum(x * x for x in total)) or 1.0
    return [x / norm for x in total]


def _texts(value: object) -> list[str] | None:
    """The inputs of an embeddings or moderations request: strings, or token lists spelled out; None when wrong."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, int) for item in value):
        return [" ".join(map(str, value))]
    texts: list[str] = []
    for item in value:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, list):
            texts.append(" ".join(map(str, item)))
        elif isinstance(item, dict):
            texts.append(wording.plain_text([item]))
        else:
            return None
    return texts


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


async def embed(body: Mapping[str, object], reply: Reply) -> None:
    """Vectors as numbers, or as base64 of little-endian float32 (what the official SDK asks for)."""
    texts = _texts(body.get("input"))
    dimensions = body.get("dimensions", DIMENSIONS)
    if texts is None or not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        await reply.error(400, "invalid_request_error", "'$.input' or 'dimensions' is invalid.")
        return
    base64_wanted = body.get("encoding_format") == "base64"
    data = []
    for i, text in enumerate(texts):
        vector = embedding(text, dimensions)
        data.append({"object": "embedding", "index": i, "embedding": _packed(vector) if base64_wanted else vector})
    used = sum(map(wording.tokens, texts))
    usage = {"prompt_tokens": used, "total_tokens": used}
    await reply.json(200, {"object": "list", "data": data, "model": body.get("model"), "usage": usage})


async def moderate(body: Mapping[str, object], reply: Reply) -> None:
    """Flags ``violence`` for a handful of words, nothing else."""
    texts = _texts(body.get("input"))
    if texts is None:
        await reply.error(400, "invalid_request_error", "'input' is missing.")
        return
    results = []
    for text in texts:
        bad = not _ALARMING.isdisjoint(text.lower().split())
        hit = {name: bad and name == "violence" for name in _CATEGORIES}
        results.append(
            {
                "flagged": bad,
                "categories": hit,
                "category_scores": {name: 0.9 if flagged else 0.0001 for name, flagged in hit.items()},
                "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
            }
        )
    model = body.get("model") or "omni-moderation-latest"
    await reply.json(200, {"id": wording.identifier("modr-", repr(texts).encode()), "model": model, "results": results})

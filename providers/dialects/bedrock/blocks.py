"""Content blocks of requests: writing them, for Bedrock's own callers and for others."""

from __future__ import annotations

from providers.dialects.anthropic.blocks import arguments_of, id_of_call, id_of_result, new_ids
from providers.dialects.bedrock import citations, media, models
from providers.dialects.bedrock.parts import ORIGIN, mark_out, redacted_out
from providers.neutral import (
    CacheMark,
    Json,
    Losses,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

_PORTABLE = frozenset((ORIGIN, "anthropic", "vertex"))
"""Origins whose thoughts bear Anthropic's signatures, which count on all its platforms."""
_ID_LENGTH = 64
_IN_RESULTS = frozenset(("text", "image", "document", "video"))
"""What a result of a tool may hold."""


class Writing:
    """What has to be known of the blocks before: ids of calls, names of documents, what the model takes."""

    __slots__ = ("caches", "ids", "losses", "names", "origin", "portable")

    def __init__(self, origin: str, model: str, losses: Losses) -> None:
        self.origin = origin
        self.losses = losses
        self.ids = new_ids()
        self.names = media.Names()
        self.portable = origin in _PORTABLE and models.is_claude_or_unsaid(model)
        self.caches = models.caches(model)

    def mark(self, out: list[Json], cache: CacheMark | None) -> None:
        """A cache mark behind the last block of ``out``."""
        if cache is None or not out:
            return
        if self.caches:
            out.append(mark_out(cache))
        else:
            self.losses.lose("cache_control")


def encode_own(parts: list[Part]) -> list[Json]:
    """Blocks as they came."""
    out: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            out.append(text_out(part, True))
        elif isinstance(part, Media):
            out.append(part.shape)
        elif isinstance(part, ToolCall):
            out.append(call_out(part, part.id, True))
        elif isinstance(part, ToolResult):
            value: Json = {"toolUseId": part.call_id, "content": encode_own(part.parts)}
            if part.is_error or part.shape is not None:
                value["status"] = "error" if part.is_error else part.shape
            out.append({"toolResult": value | part.extra if part.extra else value})
        elif isinstance(part, Reasoning):
            out.append(reasoning_out(part))
        elif isinstance(part, Opaque):
            out.append(part.value)
        if not isinstance(part, Reasoning | Opaque | Refusal) and part.cache is not None:
            out.append(mark_out(part.cache))
    return out


def text_out(part: Text, own: bool) -> Json:
    """A text, which is a block of another kind when it cites."""
    if own and isinstance(part.shape, dict):
        return part.shape
    if not part.citations:
        return {"text": part.text}
    cited = [found for one in part.citations if (found := citations.encode(one))]
    return {"citationsContent": {"content": [{"text": part.text}], "citations": cited}}


def call_out(part: ToolCall, identity: str, own: bool) -> Json:
    value: Json = {"toolUseId": identity, "name": part.name}
    value["input"] = part.shape if own and part.shape is not None else arguments_of(part)
    return {"toolUse": value | part.extra if own and part.extra else value}


def reasoning_out(part: Reasoning) -> Json:
    if isinstance(part.shape, dict):
        return part.shape
    if part.redacted and not part.text:
        data = part.redacted if part.shape == "bytes" else redacted_out(part.redacted)
        return {"reasoningContent": {"redactedContent": data}}
    thought = {"text": part.text, "signature": part.signature} if part.signature else {"text": part.text}
    return {"reasoningContent": {"reasoningText": thought}}


def encode_blocks(parts: list[Part], writing: Writing) -> list[Json]:
    """Blocks of another dialect's message."""
    losses = writing.losses
    out: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            # A text that is empty or blank is refused.
            if part.text and not part.text.isspace():
                if part.citations:
                    losses.lose("messages.citations")
                out.append({"text": part.text})
                writing.mark(out, part.cache)
        elif isinstance(part, Media):
            block = media.encode(part, writing.names, losses)
            if block is not None:
                out.append(block)
                writing.mark(out, part.cache)
        elif isinstance(part, ToolCall):
            out.append(call_out(part, clip(id_of_call(writing.ids, part)), False))
            if part.signature:
                losses.lose("messages.signature")
            writing.mark(out, part.cache)
        elif isinstance(part, ToolResult):
            _result_out(part, writing, out)
        elif isinstance(part, Reasoning):
            if writing.portable and (part.signature or part.redacted):
                out.append(reasoning_out(Reasoning(part.text, part.signature, part.redacted)))
            else:
                losses.lose("messages.reasoning")
        elif isinstance(part, Refusal):
            if part.text and not part.text.isspace():
                out.append({"text": part.text})
        else:
            losses.lose(f"messages.{part.kind or part.dialect}")
        if isinstance(part, Text | ToolCall | ToolResult) and part.extra:
            losses.leave(part.extra, out[-1] if out else {})
    return out


def clip(identity: str) -> str:
    """Bedrock takes no longer one; the ends of ids are what tells them apart."""
    return identity[-_ID_LENGTH:]


def _result_out(part: ToolResult, writing: Writing, out: list[Json]) -> None:
    identity = clip(id_of_result(writing.ids, part))
    content: list[Json] = []
    parts, cache = part.parts, part.cache
    if isinstance(part.value, dict):
        content.append({"json": part.value})
        parts = [inner for inner in parts if not isinstance(inner, Text)]  # they say the same
    for block in encode_blocks(parts, writing):
        if block.keys() & _IN_RESULTS:
            content.append(block)
        elif "cachePoint" not in block:
            writing.losses.lose(f"messages.{next(iter(block))}")
    for inner in parts:
        # A result holds no cache points: what one of its parts bears counts for all of it.
        if cache is None and isinstance(inner, Text | Media):
            cache = inner.cache
    value: Json = {"toolUseId": identity, "content": content}
    if part.is_error:
        value["status"] = "error"
    out.append({"toolResult": value})
    writing.mark(out, cache)

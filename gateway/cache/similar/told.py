"""What an answer that is kept says, as the judge compares it."""

from __future__ import annotations

import orjson

from gateway.cache.entry import Kept
from gateway.translation import NAMES
from providers.dialects import load
from providers.neutral import Answer, Malformed
from providers.neutral.collector import Collector
from providers.neutral.messages import Refusal, Text, ToolCall


def text_of(kept: Kept) -> str:
    """Its texts, and the calls of tools that it asks for; empty where it cannot be read."""
    try:
        answer = answer_of(kept)
    except (Malformed, orjson.JSONDecodeError):
        return ""
    words: list[str] = []
    for choice in answer.choices:
        for part in choice.parts:
            if isinstance(part, Text | Refusal):
                words.append(part.text)
            elif isinstance(part, ToolCall):
                words.append(f"{part.name}({part.arguments})")
    return "\n".join(words)


def answer_of(kept: Kept) -> Answer:
    """In the neutral form. Raises Malformed, JSONDecodeError."""
    dialect = load(NAMES[kept.dialect])
    if not kept.streamed:
        return dialect.decode_answer(orjson.loads(kept.body))
    decoder = dialect.stream_decoder()
    collector = Collector(dialect.name)
    for event in [*decoder.feed(kept.body), *decoder.end()]:
        collector.add(event)
    return collector.answer

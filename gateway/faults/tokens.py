"""How many tokens an answer holds: what the provider says, else one for every four bytes of text, as the demo counts.

Written apart from what the gateway reads, so that one can be held against the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.demo import wording

_NAMES = (
    ("prompt_tokens", "completion_tokens"),
    ("input_tokens", "output_tokens"),
    ("inputTokens", "outputTokens"),
    ("promptTokenCount", "candidatesTokenCount"),
)
_BEYOND = ("cache_creation_input_tokens", "cache_read_input_tokens")
"""Anthropic counts them beside the input."""
_PLACES = ("usage", "usageMetadata")
_AROUND = ("message", "response", "metadata")
"""Members of stream events in which usage stands."""


def asked(body: Mapping[str, Any]) -> int:
    """About how many tokens a request is: its texts, and three more a message."""
    messages = body.get("messages")
    if isinstance(messages, list):
        texts = [wording.plain_text(m.get("content")) for m in messages if isinstance(m, dict)]
        if system := body.get("system"):
            texts.append(wording.plain_text(system))
        return sum(wording.tokens(text) + 3 for text in texts)
    given = body.get("input", body.get("prompt"))
    texts = (
        [given]
        if isinstance(given, str)
        else [t for t in given if isinstance(t, str)]
        if isinstance(given, list)
        else []
    )
    return sum(map(wording.tokens, texts))


class Reading:
    """Reads along with one answer, event by event or whole."""

    __slots__ = ("completion", "content_events", "prompt", "said", "text_bytes")

    def __init__(self) -> None:
        self.prompt = 0
        self.completion = 0
        self.said = False
        """Whether the answer said how many tokens its completion has."""
        self.content_events = 0
        self.text_bytes = 0

    @property
    def tokens(self) -> int:
        """Of the text that has passed."""
        return (self.text_bytes + 3) // 4

    def event(self, data: bytes) -> None:
        """One event of a stream, as it is on the wire."""
        _, mark, payload = data.rpartition(b"data: ")
        payload = payload.strip()
        if payload[:1] == b"{" and (mark or data[:1] == b"{"):
            self._value(_parsed(payload))

    def body(self, data: bytes) -> None:
        """A whole answer."""
        if data[:1] == b"{":
            self._value(_parsed(data))

    def _value(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        size = sum(len(text.encode()) for text in _texts(value))
        if size:
            self.content_events += 1
            self.text_bytes += size
        for holder in (value, *(value.get(name) for name in _AROUND)):
            if isinstance(holder, dict):
                for place in _PLACES:
                    self._usage(holder.get(place))

    def _usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        for prompt, completion in _NAMES:
            if isinstance(given := usage.get(prompt), int):
                self.prompt = given + sum(n for name in _BEYOND if isinstance(n := usage.get(name), int))
            if isinstance(given := usage.get(completion), int):
                self.completion = given
                self.said = True


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _texts(value: dict[str, Any]) -> Iterator[str]:
    """What of a stream's event, or of a whole answer, is generated text: OpenAI's forms and Anthropic's."""
    for choice in _dicts(value.get("choices")):
        said = choice.get("delta") or choice.get("message") or choice
        if isinstance(said, dict):
            yield from _strings(said, "content", "reasoning_content", "refusal", "text")
            for call in _dicts(said.get("tool_calls")):
                yield from _strings(call.get("function"), "arguments")
    delta = value.get("delta")
    if isinstance(delta, str):
        yield delta
    else:
        yield from _strings(delta, "text", "thinking", "partial_json")
    for block in _dicts(value.get("content")):
        yield from _strings(block, "text", "thinking")


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _strings(holder: Any, *names: str) -> Iterator[str]:
    if isinstance(holder, dict):
        yield from (text for name in names if isinstance(text := holder.get(name), str) and text)

"""A whole answer: its choices, why they ended, the tokens they took."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from providers.neutral.losses import Json
from providers.neutral.messages import Part

Finish: TypeAlias = Literal["", "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause",
                            "error", "other"]  # fmt: skip
"""Why a choice ended; empty: it has not ended, or it was not said."""


class Usage(Struct):
    """Tokens. Also an event of a stream: of several, the last one counts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_in_tokens: int = 0
    audio_out_tokens: int = 0
    total: int = -1
    """As the provider said it; -1: input and output together."""
    extra: Json | None = None
    image_in_tokens: int = 0
    image_out_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """Of ``cache_write_tokens``, those that are kept for an hour."""
    cached_audio_tokens: int = 0
    searches: int = 0
    """Of the web, by the provider."""

    @property
    def total_tokens(self) -> int:
        return self.total if self.total >= 0 else self.input_tokens + self.output_tokens


class Choice(Struct):
    index: int = 0
    parts: list[Part] = field(default_factory=list)
    finish: Finish = ""
    raw_finish: str = ""
    """The provider's own word for it."""
    stop_sequence: str = ""
    logprobs: Any = None
    """OpenAI's form: ``{"content": [{"token", "logprob", "bytes", "top_logprobs"}]}``."""
    extra: Json | None = None


class Answer(Struct):
    origin: str
    id: str = ""
    model: str = ""
    created: int = 0
    """Seconds since 1970; 0: not said."""
    choices: list[Choice] = field(default_factory=list)
    usage: Usage | None = None
    service_tier: str = ""
    extra: Json | None = None

"""Whether a request is one that the official SDK would send, by the SDK's own types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cohere
from anthropic.types import message_create_params
from google.genai import types as google
from ollama._types import ChatRequest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from tests.corpus.readout import aws_dialect


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _typed(kind: Any) -> Callable[[dict[str, Any]], None]:
    def valid(body: dict[str, Any]) -> None:
        # Iterables are validated when they are gone through.
        _exhausted(_adapter(kind).validate_python(body))

    return valid


def _exhausted(value: Any) -> None:
    if isinstance(value, dict):
        for member in value.values():
            _exhausted(member)
    elif isinstance(value, list | tuple) or type(value).__name__ == "ValidatorIterator":
        for member in value:
            _exhausted(member)


class _Google(BaseModel):
    """The body of generateContent (ai.google.dev/api/generate-content)."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    contents: list[google.Content]
    system_instruction: google.Content | None = None
    generation_config: google.GenerationConfig | None = None
    tools: list[google.Tool] | None = None
    tool_config: google.ToolConfig | None = None
    safety_settings: list[google.SafetySetting] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None


class _Cohere(BaseModel):
    """The parameters of ``ClientV2.chat``."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[cohere.ChatMessageV2]
    stream: bool = False
    tools: list[cohere.ToolV2] | None = None
    strict_tools: bool | None = None
    documents: list[Any] | None = None
    citation_options: cohere.CitationOptions | None = None
    response_format: cohere.ResponseFormatV2 | None = None
    safety_mode: str | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    tool_choice: str | None = None
    thinking: cohere.Thinking | None = None
    priority: int | None = None


VALID: dict[str, Callable[[dict[str, Any]], None]] = {
    "openai_chat": _typed(chat_create_params.CompletionCreateParams),
    "openai_responses": _typed(response_create_params.ResponseCreateParams),
    "openai_completions": _typed(completion_create_params.CompletionCreateParams),
    "anthropic": _typed(message_create_params.MessageCreateParams),
    "gemini": lambda body: (_Google.model_validate(body), None)[1],
    "bedrock": aws_dialect.valid,
    "cohere": lambda body: (_Cohere.model_validate(body), None)[1],
    "ollama": lambda body: (ChatRequest.model_validate(body), None)[1],
}
"""Dialect -> raises ValueError (pydantic's is one) for what its SDK would not take."""

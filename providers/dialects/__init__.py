"""Wire formats, one module each, to and from the neutral form; ``providers.dialects.base`` says what each offers."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.dialects.base import Dialect

DIALECTS: dict[str, str] = {
    "openai_chat": "providers.dialects.openai_chat",
    "openai_responses": "providers.dialects.openai_responses",
    "openai_completions": "providers.dialects.openai_completions",
    "anthropic": "providers.dialects.anthropic",
    "gemini": "providers.dialects.gemini",
    "bedrock": "providers.dialects.bedrock",
    "cohere": "providers.dialects.cohere",
    "ollama": "providers.dialects.ollama",
}
"""Name -> module, whose ``DIALECT`` it is. A worker loads those that its configuration translates between."""

CALLERS: dict[str, str] = {
    "bedrock_invoke": "providers.dialects.bedrock_invoke",
    "voyage": "providers.dialects.openai_chat",
}
"""Likewise, of dialects in which nobody is asked to generate an answer who was not asked in it by the caller. Voyage
generates none; its errors are read as OpenAI's."""


@functools.cache
def load(name: str) -> Dialect:
    """The dialect of this name. Raises KeyError."""
    dialect: Dialect = importlib.import_module(DIALECTS.get(name) or CALLERS[name]).DIALECT
    return dialect

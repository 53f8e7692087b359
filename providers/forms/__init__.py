"""What is asked of a provider beside generated answers: one exchange of whole bodies, in each dialect's own form.

``load`` finds the form of an operation in a dialect; a worker loads those that its configuration translates between.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from providers.forms.base import Form

FORMS: dict[tuple[str, str], str] = {
    ("embeddings", "openai_chat"): "providers.forms.embeddings.openai",
    ("embeddings", "gemini"): "providers.forms.embeddings.gemini",
    ("embeddings", "cohere"): "providers.forms.embeddings.cohere",
    ("embeddings", "bedrock_invoke"): "providers.forms.embeddings.bedrock",
    ("embeddings", "ollama"): "providers.forms.embeddings.ollama",
    ("rerank", "openai_chat"): "providers.forms.rerank.openai",
    ("rerank", "voyage"): "providers.forms.rerank.voyage",
    ("rerank", "cohere"): "providers.forms.rerank.cohere",
    ("rerank", "bedrock_invoke"): "providers.forms.rerank.bedrock",
    ("count_tokens", "anthropic"): "providers.forms.counting.anthropic",
    ("count_tokens", "openai_responses"): "providers.forms.counting.openai",
    ("count_tokens", "gemini"): "providers.forms.counting.gemini",
    ("count_tokens", "bedrock"): "providers.forms.counting.bedrock",
}
"""(operation, dialect) -> module, whose ``FORM`` it is."""

OPERATIONS = frozenset(operation for operation, _ in FORMS)


@functools.cache
def load(operation: str, dialect: str) -> Form[Any, Any]:
    """The form of this operation in this dialect. Raises KeyError."""
    form: Form[Any, Any] = importlib.import_module(FORMS[operation, dialect]).FORM
    return form

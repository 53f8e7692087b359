"""What the families of models behind Bedrock take, read off a model's id.

Sources: Amazon Bedrock user guide ("Prompt caching": Claude and Nova, tools only with Claude), Amazon Nova 2 user guide
("Using the Converse API": ``reasoningConfig``), recorded requests. The id of an inference profile says nothing.
"""

from __future__ import annotations

_VENDORS = (
    "ai21.", "amazon.", "cohere.", "deepseek.", "google.", "luma.", "meta.", "minimax.", "mistral.", "moonshot.",
    "moonshotai.", "nvidia.", "openai.", "qwen.", "stability.", "twelvelabs.", "writer.", "zai.",
)  # fmt: skip
"""How ids of models that are not Anthropic's begin, behind the region (``us.``) if there is one."""


def is_claude(model: str) -> bool:
    return "anthropic" in model or "claude" in model


def is_claude_or_unsaid(model: str) -> bool:
    """Whether ``model`` may be one of Anthropic's: its id says so, or names nobody."""
    return is_claude(model) or not any(vendor in model for vendor in _VENDORS)


def is_nova(model: str) -> bool:
    return "amazon.nova" in model


def thinks_by_config(model: str) -> bool:
    """Nova 2 takes ``reasoningConfig``, with an effort."""
    return "amazon.nova-2" in model


def thinks_by_effort(model: str) -> bool:
    """OpenAI's open models take ``reasoning_effort``."""
    return "openai." in model


def can_be_forced(model: str) -> bool:
    """Whether a call can be demanded (``toolChoice`` any and tool). Llama refuses (langchain-aws#620)."""
    return "meta.llama" not in model


def caches(model: str) -> bool:
    """Whether cache points are taken in messages and the system prompt."""
    return is_claude_or_unsaid(model) or is_nova(model)

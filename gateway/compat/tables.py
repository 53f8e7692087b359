"""Header fields, members and paths of LiteLLM and Bifrost, and what they are called here.

``docs/migration.md`` names every row; a test holds it against these tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Value = Callable[[bytes], bytes | None]
"""What stands in our field for what stood in theirs; None: nothing, the field is left out."""
_SECONDS = re.compile(rb"\d{1,9}(\.\d{1,6})?")
_TIME = re.compile(rb"\d{1,9}(\.\d{1,6})?(ms|s|m|h)?")
MOST_SESSION = 256
MOST_PARTITION = 128


def credential(value: bytes) -> bytes | None:
    """A key, with or without the word before it."""
    return (value[7:] if value[:7].lower() == b"bearer " else value).strip() or None


def seconds(value: bytes) -> bytes | None:
    return value if _SECONDS.fullmatch(value) and float(value) > 0 else None


def time(value: bytes) -> bytes | None:
    """A length of time as Go writes it: ``30s``, ``5m``; a bare number is seconds."""
    return value if _TIME.fullmatch(value) else None


def session(value: bytes) -> bytes | None:
    return value[:MOST_SESSION] or None


def partition(value: bytes) -> bytes | None:
    return value if 0 < len(value) <= MOST_PARTITION and value not in (b"key", b"team", b"customer", b"all") else None


def no_store(value: bytes) -> bytes | None:
    return b"read" if value.lower() == b"true" else None


def unsaid(value: bytes) -> bytes | None:
    return b"metadata" if value.lower() == b"true" else None


FIELDS: Mapping[str, Mapping[bytes, tuple[bytes, Value]]] = {
    "litellm": {
        b"x-litellm-api-key": (b"x-microgate-key", credential),
        b"ocp-apim-subscription-key": (b"x-microgate-key", credential),
        b"x-litellm-timeout": (b"x-microgate-timeout", seconds),
        b"x-litellm-session-id": (b"x-microgate-session", session),
        b"x-litellm-trace-id": (b"x-microgate-session", session),
        b"x-litellm-enable-message-redaction": (b"x-microgate-log", unsaid),
    },
    "bifrost": {
        b"x-bf-vk": (b"x-microgate-key", credential),
        b"x-bf-session-id": (b"x-microgate-session", session),
        b"x-bf-cache-key": (b"x-microgate-cache-scope", partition),
        b"x-bf-cache-ttl": (b"x-microgate-cache-ttl", time),
        b"x-bf-cache-no-store": (b"x-microgate-cache", no_store),
        b"x-bf-disable-content-logging": (b"x-microgate-log", unsaid),
    },
}
"""Product -> its field -> (ours, its value). Of two that mean the same the first in the request counts, ours before
any."""

_OPENAI = (
    "/chat/completions", "/completions", "/responses", "/embeddings", "/moderations", "/rerank", "/models",
    "/audio/speech", "/audio/transcriptions", "/audio/translations",
    "/images/generations", "/images/edits", "/images/variations", "/realtime",
)  # fmt: skip
PATHS: Mapping[str, Mapping[bytes, bytes]] = {
    "litellm": {
        **{path.encode(): b"/v1" + path.encode() for path in _OPENAI},
        b"/v1/messages": b"/anthropic/v1/messages",
        b"/v1/messages/count_tokens": b"/anthropic/v1/messages/count_tokens",
        b"/health/liveliness": b"/livez",
        b"/health/liveness": b"/livez",
        b"/health/readiness": b"/readyz",
    },
    "bifrost": {b"/health": b"/livez"},
}
"""Product -> its path -> the route here that answers it: no route of its own, and no other audience."""

MODEL_INFO = (b"/model/info", b"/v1/model/info", b"/model_group/info")
"""LiteLLM's lists of models, for who may ask them."""

MEMBERS: frozenset[str] = frozenset(
    (
        "num_retries", "timeout", "stream_timeout", "max_retries", "cache", "caching", "ttl", "mock_response",
        "mock_testing_fallbacks", "mock_testing_context_fallbacks", "mock_testing_rate_limit_error", "mock_timeout",
        "mock_tool_calls", "tags", "guardrails", "prompt_id", "prompt_variables", "litellm_session_id",
        "litellm_trace_id", "litellm_metadata", "litellm_call_id", "no-log",
        "context_window_fallbacks", "content_policy_fallbacks", "enable_tag_filtering",
        # No caller names a host or brings a credential: a provider is not told either.
        "api_base", "base_url", "api_key", "api_version", "user_config", "custom_llm_provider", "model_list",
        "litellm_credential_name", "vertex_credentials", "aws_access_key_id", "aws_secret_access_key",
        "aws_session_token", "aws_region_name", "use_litellm_proxy",
    )
)  # fmt: skip
"""Members of a body that are LiteLLM's own: no provider sees them."""
OF_CHATS: frozenset[str] = frozenset(("metadata",))
"""Likewise in chats and completions alone; elsewhere the provider knows a member of this name."""

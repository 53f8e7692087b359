"""Where and how a dialect that is none of OpenAI's is spoken: defaults of a provider that names the dialect.

Sources: the vendors' API references and their own clients' default addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Native:
    """Everything in it can be overridden by configuration."""

    base_url: str
    """Empty: every server has its own. A ``{word}`` has to be filled in by the operator."""
    paths: dict[str, str]
    """Operation -> path; ``{model}`` stands for the model."""
    auth_header: str = "authorization"
    auth_scheme: str = "Bearer"
    fields: tuple[tuple[str, str], ...] = field(default=())
    """Header fields of a request whose caller has not sent them."""
    dialects: dict[str, str] = field(default_factory=dict)
    """Operation -> its dialect, where it is another."""
    members: tuple[tuple[str, str], ...] = field(default=())
    """Members of a request's body in place of the model, which stands in the path alone."""


NATIVES: dict[str, Native] = {
    "anthropic": Native(
        "https://api.anthropic.com",
        {
            "chat": "/v1/messages",
            "count_tokens": "/v1/messages/count_tokens",
            "files": "/v1/files",
            "batches": "/v1/messages/batches",
            "passthrough": "",
        },
        "x-api-key",
        "",
        (("anthropic-version", "2023-06-01"),),
    ),
    "gemini": Native(
        "https://generativelanguage.googleapis.com",
        {
            "chat": "/v1beta/models/{model}:generateContent",
            "embeddings": "/v1beta/models/{model}:embedContent",
            "count_tokens": "/v1beta/models/{model}:countTokens",
            "passthrough": "",
            "realtime": "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        },
        "x-goog-api-key",
        "",
    ),
    "bedrock": Native(
        "https://bedrock-runtime.{region}.amazonaws.com",
        {
            "chat": "/model/{model}/converse",
            "invoke": "/model/{model}/invoke",
            "embeddings": "/model/{model}/invoke",
            "rerank": "/model/{model}/invoke",
            "count_tokens": "/model/{model}/count-tokens",
            "passthrough": "",
        },
        dialects={"invoke": "bedrock_invoke", "embeddings": "bedrock_invoke", "rerank": "bedrock_invoke"},
    ),
    "cohere": Native(
        "https://api.cohere.com",
        {"chat": "/v2/chat", "embeddings": "/v2/embed", "rerank": "/v2/rerank", "passthrough": ""},
    ),
    "ollama": Native("http://127.0.0.1:11434", {"chat": "/api/chat", "embeddings": "/api/embed", "passthrough": ""}),
}
"""Dialect -> defaults."""

_VERTEX = "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}"

AT_VENDOR: dict[tuple[str, str], Native] = {
    ("vertex", "gemini"): Native(
        _VERTEX,
        {
            "chat": "/publishers/google/models/{model}:generateContent",
            "count_tokens": "/publishers/google/models/{model}:countTokens",
            "passthrough": "",
        },
    ),
    ("vertex", "anthropic"): Native(
        _VERTEX,
        {"chat": "/publishers/anthropic/models/{model}:rawPredict", "passthrough": ""},
        members=(("anthropic_version", "vertex-2023-10-16"),),
    ),
}
"""Vendor and dialect -> defaults, where a vendor speaks another's dialect at addresses and with a credential of its
own."""


def native_of(vendor: str, dialect: str) -> Native | None:
    """Where this vendor speaks this dialect; None for OpenAI's own."""
    return AT_VENDOR.get((vendor, dialect)) or NATIVES.get(dialect)


DEMOS: dict[str, str] = {dialect: f"demo-{dialect}" for dialect in NATIVES}
"""Dialect -> the built-in provider that speaks it, beside ``demo``."""

OF_VENDOR: dict[str, str] = {"anthropic": "anthropic", "cohere": "cohere", "gemini": "gemini"}
"""Vendor -> the dialect it is spoken to in unless configuration names another."""

"""Who can be asked, as a table: one row for every provider that speaks an OpenAI dialect.

A row says where the provider is, how it takes the credential, which operations it offers under which path, and how its
streams report usage. ``evidence`` says how far to trust it: ``recorded`` (real exchanges agree), ``sdk`` (taken from
the vendor's own client or its published example), ``docs`` (documentation only).

A ``{word}`` in a base URL has to be filled in by the operator, with ``address`` or a ``base_url`` of his own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from providers.addresses import placeholders

StreamUsage = Literal["ask", "always", "never"]
Evidence = Literal["recorded", "sdk", "docs"]

PATHS: dict[str, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "speech": "/audio/speech",
    "transcription": "/audio/transcriptions",
    "translation": "/audio/translations",
    "image_generation": "/images/generations",
    "image_edit": "/images/edits",
    "image_variation": "/images/variations",
    "models": "/models",
    "files": "/files",
    "batches": "/batches",
    "response_object": "/responses",
    "passthrough": "",
    "rerank": "/rerank",
    "realtime": "/realtime?model={model}",
    "count_tokens": "/responses/input_tokens",
    "ocr": "/ocr",
    "videos": "/videos",
}
"""Operation -> path after the base URL, as OpenAI and those who follow it have it. What belongs to one object
(``/files/{id}``) is appended to the operation's path."""

DIALECTS: dict[str, str] = {
    **dict.fromkeys(PATHS, "openai_chat"),
    "completions": "openai_completions",
    "responses": "openai_responses",
    "response_object": "openai_responses",
    "count_tokens": "openai_responses",
}
"""Operation -> dialect of a provider of the OpenAI family; operations with one shape only are ``openai_chat``."""

EVERYTHING = tuple(PATHS)


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row. Everything in it can be overridden by configuration."""

    name: str
    base_url: str
    operations: tuple[str, ...]
    evidence: Evidence
    stream_usage: StreamUsage = "ask"
    paths: dict[str, str] = field(default_factory=dict)
    """Where the path differs from ``PATHS``."""
    forms: dict[str, str] = field(default_factory=dict)
    """Operation -> its dialect, where it is not OpenAI's."""
    auth_header: str = "authorization"
    auth_scheme: str = "Bearer"
    query: str = ""
    keyless: bool = False
    """Runs on one's own machine and usually wants no credential."""
    note: str = ""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """What the operator has to fill in: names of the parts in braces."""
        return placeholders(self.base_url)

    def path_of(self, operation: str) -> str:
        """Path after the base URL; ``{model}`` in it stands for the upstream model."""
        return self.paths.get(operation, PATHS[operation])

    def dialects(self) -> dict[str, str]:
        """Operation -> dialect, for what this vendor offers."""
        return {operation: self.forms.get(operation) or DIALECTS[operation] for operation in self.operations}


def _ops(names: str) -> tuple[str, ...]:
    """``passthrough`` and ``models`` are offered by everybody."""
    return (*names.split(), "models", "passthrough")


_CHAT = _ops("chat")
_TEXT = _ops("chat completions embeddings")
_SERVER = _ops("chat completions responses embeddings")

_ROWS = (
    Vendor(
        "openai", "https://api.openai.com/v1", tuple(op for op in EVERYTHING if op not in ("rerank", "ocr")), "recorded"
    ),
    Vendor(
        "azure",
        "https://{resource}.openai.azure.com/openai/v1",
        _ops(
            "chat completions responses embeddings speech transcription translation image_generation image_edit"
            " files batches response_object realtime"
        ),
        "recorded",
        auth_header="api-key",
        auth_scheme="",
        note="The model is the name of a deployment. With dated API versions use azure_deployments.",
    ),
    Vendor(
        "azure_deployments",
        "https://{resource}.openai.azure.com/openai",
        (
            "chat",
            "completions",
            "embeddings",
            "speech",
            "transcription",
            "translation",
            "image_generation",
            "passthrough",
            "realtime",
        ),
        "recorded",
        paths={
            "realtime": "/realtime?deployment={model}",
            "chat": "/deployments/{model}/chat/completions",
            "completions": "/deployments/{model}/completions",
            "embeddings": "/deployments/{model}/embeddings",
            "speech": "/deployments/{model}/audio/speech",
            "transcription": "/deployments/{model}/audio/transcriptions",
            "translation": "/deployments/{model}/audio/translations",
            "image_generation": "/deployments/{model}/images/generations",
        },
        auth_header="api-key",
        auth_scheme="",
        query="api-version=2024-10-21",
    ),
    Vendor(
        "mistral",
        "https://api.mistral.ai/v1",
        _ops("chat embeddings moderations transcription ocr files"),
        "recorded",
        stream_usage="always",
    ),
    Vendor(
        "groq",
        "https://api.groq.com/openai/v1",
        _ops("chat responses speech transcription translation files batches"),
        "recorded",
    ),
    Vendor("cerebras", "https://api.cerebras.ai/v1", _ops("chat completions"), "recorded"),
    Vendor(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        _ops("chat completions responses embeddings rerank"),
        "docs",
        forms={"rerank": "voyage"},
    ),
    Vendor(
        "together",
        "https://api.together.xyz/v1",
        _ops("chat completions embeddings speech transcription translation image_generation rerank files batches"),
        "recorded",
    ),
    Vendor(
        "deepseek",
        "https://api.deepseek.com",
        _ops("chat completions responses"),
        "recorded",
        stream_usage="always",
        paths={"completions": "/beta/completions"},
    ),
    Vendor(
        "xai",
        "https://api.x.ai/v1",
        _ops("chat responses image_generation files batches response_object realtime"),
        "recorded",
    ),
    Vendor(
        "openrouter",
        "https://openrouter.ai/api/v1",
        _ops("chat completions responses embeddings speech transcription"),
        "recorded",
    ),
    Vendor(
        "perplexity",
        "https://api.perplexity.ai",
        _ops("chat embeddings"),
        "recorded",
        stream_usage="always",
        paths={"embeddings": "/v1/embeddings", "models": "/v1/models"},
        note="Every chunk carries the usage so far; the last one counts.",
    ),
    Vendor(
        "nebius", "https://api.tokenfactory.nebius.com/v1", _ops("chat completions embeddings image_generation"), "sdk"
    ),
    Vendor("huggingface", "https://router.huggingface.co/v1", _ops("chat responses"), "recorded"),
    Vendor("ollama", "http://127.0.0.1:11434/v1", _SERVER, "recorded", keyless=True),
    Vendor("ollama_cloud", "https://ollama.com/v1", _ops("chat completions embeddings"), "recorded"),
    Vendor(
        "vllm",
        "http://127.0.0.1:8000/v1",
        _ops("chat completions responses embeddings transcription translation rerank"),
        "recorded",
        keyless=True,
    ),
    Vendor("sglang", "http://127.0.0.1:30000/v1", _SERVER, "docs", keyless=True),
    Vendor("lmstudio", "http://127.0.0.1:1234/v1", _SERVER, "docs", keyless=True),
    Vendor("gpustack", "http://127.0.0.1/v1", _ops("chat completions embeddings rerank"), "recorded"),
    Vendor("nvidia", "https://integrate.api.nvidia.com/v1", _TEXT, "docs"),
    Vendor(
        "databricks",
        "https://{workspace}/serving-endpoints",
        ("chat", "completions", "embeddings", "passthrough"),
        "docs",
    ),
    Vendor(
        "snowflake",
        "https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
        ("chat", "passthrough"),
        "recorded",
    ),
    Vendor(
        "watsonx",
        "https://{region}.ml.cloud.ibm.com/ml/gateway/v1",
        _TEXT,
        "docs",
        note="The model gateway of watsonx.ai; the credential is an IAM token, which lasts an hour.",
    ),
    Vendor("sambanova", "https://api.sambanova.ai/v1", _ops("chat completions embeddings transcription"), "docs"),
    Vendor("parasail", "https://api.parasail.io/v1", _TEXT, "sdk"),
    Vendor("moonshot", "https://api.moonshot.ai/v1", _ops("chat files"), "docs"),
    Vendor(
        "zai",
        "https://api.z.ai/api/paas/v4",
        _ops("chat embeddings image_generation"),
        "recorded",
        stream_usage="always",
    ),
    Vendor(
        "alibaba",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        _ops("chat completions embeddings files batches"),
        "docs",
    ),
    Vendor("minimax", "https://api.minimax.io/v1", _CHAT, "sdk"),
    Vendor(
        "voyage",
        "https://api.voyageai.com/v1",
        ("embeddings", "rerank", "passthrough"),
        "recorded",
        forms={"rerank": "voyage"},
        stream_usage="never",
    ),
    Vendor("jina", "https://api.jina.ai/v1", ("embeddings", "rerank", "passthrough"), "docs", stream_usage="never"),
    Vendor("github", "https://models.github.ai/inference", ("chat", "embeddings", "passthrough"), "docs"),
    Vendor(
        "cloudflare",
        "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
        ("chat", "responses", "embeddings", "passthrough"),
        "docs",
    ),
    Vendor(
        "writer",
        "https://api.writer.com/v1",
        _ops("chat completions"),
        "recorded",
        paths={"chat": "/chat"},
    ),
    Vendor("crusoe", "https://api.inference.crusoecloud.com/v1", _TEXT, "recorded"),
    Vendor("heroku", "https://us.inference.heroku.com/v1", ("chat", "embeddings", "passthrough"), "recorded"),
    Vendor(
        "bedrock_mantle",
        "https://bedrock-mantle.{region}.api.aws/v1",
        _ops("chat responses"),
        "recorded",
        note="Bedrock's OpenAI-compatible endpoint; the credential is a Bedrock API key.",
    ),
    Vendor(
        "bedrock",
        "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        ("chat", "passthrough"),
        "docs",
        note="Bedrock's own OpenAI-compatible endpoint; its Converse with dialect bedrock.",
    ),
    Vendor(
        "vertex",
        "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/endpoints/openapi",
        ("chat", "passthrough"),
        "docs",
        note="Vertex AI's OpenAI-compatible endpoint; its own ones with dialect gemini or anthropic.",
    ),
    Vendor(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        _ops("chat embeddings image_generation"),
        "recorded",
        note="Google's OpenAI-compatible endpoint.",
    ),
    Vendor(
        "cohere",
        "https://api.cohere.ai/compatibility/v1",
        ("chat", "embeddings", "passthrough"),
        "sdk",
        note="Cohere's OpenAI-compatible endpoint.",
    ),
    Vendor(
        "anthropic",
        "https://api.anthropic.com/v1",
        ("chat", "passthrough"),
        "docs",
        note="Anthropic's OpenAI-compatible endpoint, when dialect openai_chat is chosen.",
    ),
    Vendor(
        "replicate",
        "https://api.replicate.com",
        ("passthrough",),
        "recorded",
        note="Predictions are asked for in Replicate's own form: /passthrough/replicate/v1/predictions.",
    ),
    Vendor(
        "deepgram",
        "https://api.deepgram.com",
        ("passthrough",),
        "recorded",
        auth_scheme="Token",
        note="Speech in Deepgram's own form: /passthrough/deepgram/v1/listen and /v1/speak.",
    ),
    Vendor(
        "elevenlabs",
        "https://api.elevenlabs.io",
        ("passthrough",),
        "sdk",
        auth_header="xi-api-key",
        auth_scheme="",
        note="Speech in ElevenLabs' own form: /passthrough/elevenlabs/v1/text-to-speech/VOICE.",
    ),
    Vendor(
        "runway",
        "https://api.dev.runwayml.com",
        ("passthrough",),
        "sdk",
        note="Images and video in Runway's own form; wants headers: {X-Runway-Version: 2024-11-06}.",
    ),
    Vendor("demo", "unix:{socket}|/v1", EVERYTHING, "recorded", keyless=True, note="Built in; added by --demo."),
)

VENDORS: dict[str, Vendor] = {row.name: row for row in _ROWS}
"""By name, as configuration spells it."""

CUSTOM = "custom"
"""``vendor`` of a provider that is no row of the table."""

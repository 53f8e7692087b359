"""LiteLLM's names of providers, and the rows of the vendor table (``providers/vendors.py``) that they mean.

Sources: ``get_llm_provider_logic.py`` and ``llms/openai_like/providers.json`` of LiteLLM 1.109.1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """What stands behind the first word of a model's name."""

    vendor: str
    variable: str = ""
    """Of the environment, from which LiteLLM takes the key when the file has none; empty: it wants none."""
    dialect: str = ""
    """In which it is spoken to, where that is not the row's own."""
    base_url: str = ""
    """Of a vendor that has no row here."""
    cut: tuple[str, ...] = ()
    """Ends of ``api_base`` that do not belong to a base URL here."""
    needs_base: bool = False
    """There is no address without ``api_base``."""


_OPENAI = Named("openai", "OPENAI_API_KEY", cut=("/chat/completions",))
_AZURE = Named("azure_deployments", "AZURE_API_KEY", needs_base=True)
_COHERE = Named("cohere", "COHERE_API_KEY", "cohere", cut=("/v2/chat", "/v1/chat", "/v2", "/v1"))
_BEDROCK = Named("bedrock", "", "bedrock")
_VERTEX = Named("vertex", "", "gemini")
_OLLAMA = Named("ollama", "", "ollama", cut=("/v1",))
_VLLM = Named("vllm", "", cut=("/chat/completions",), needs_base=True)


def _own(variable: str, base_url: str) -> Named:
    return Named("custom", variable, base_url=base_url)


NAMED: dict[str, Named] = {
    "openai": _OPENAI,
    "text-completion-openai": _OPENAI,
    "custom_openai": Named("custom", "OPENAI_API_KEY", needs_base=True),
    "openai_like": Named("custom", "OPENAI_LIKE_API_KEY", needs_base=True),
    "litellm_proxy": Named("custom", "LITELLM_PROXY_API_KEY", needs_base=True),
    "azure": _AZURE,
    "azure_text": _AZURE,
    "azure_ai": Named("custom", "AZURE_AI_API_KEY", cut=("/chat/completions",), needs_base=True),
    "anthropic": Named("anthropic", "ANTHROPIC_API_KEY", "anthropic", cut=("/v1/messages", "/v1")),
    "bedrock": _BEDROCK,
    "bedrock_converse": _BEDROCK,
    "bedrock_mantle": Named("bedrock_mantle", "BEDROCK_MANTLE_API_KEY"),
    "vertex_ai": _VERTEX,
    "vertex_ai_beta": _VERTEX,
    "gemini": Named("gemini", "GEMINI_API_KEY", "gemini", cut=("/v1beta", "/v1")),
    "cohere": _COHERE,
    "cohere_chat": _COHERE,
    "mistral": Named("mistral", "MISTRAL_API_KEY"),
    "groq": Named("groq", "GROQ_API_KEY"),
    "cerebras": Named("cerebras", "CEREBRAS_API_KEY"),
    "fireworks_ai": Named("fireworks", "FIREWORKS_API_KEY"),
    "together_ai": Named("together", "TOGETHER_API_KEY"),
    "deepseek": Named("deepseek", "DEEPSEEK_API_KEY"),
    "xai": Named("xai", "XAI_API_KEY"),
    "openrouter": Named("openrouter", "OPENROUTER_API_KEY"),
    "perplexity": Named("perplexity", "PERPLEXITYAI_API_KEY"),
    "nebius": Named("nebius", "NEBIUS_API_KEY"),
    "huggingface": Named("huggingface", "HUGGINGFACE_API_KEY"),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "vllm": _VLLM,
    "hosted_vllm": _VLLM,
    "lm_studio": Named("lmstudio"),
    "nvidia_nim": Named("nvidia", "NVIDIA_NIM_API_KEY"),
    "databricks": Named("databricks", "DATABRICKS_API_KEY", needs_base=True),
    "snowflake": Named("snowflake", "SNOWFLAKE_JWT", needs_base=True),
    "watsonx": Named("watsonx", "WATSONX_APIKEY", needs_base=True),
    "sambanova": Named("sambanova", "SAMBANOVA_API_KEY"),
    "moonshot": Named("moonshot", "MOONSHOT_API_KEY"),
    "zai": Named("zai", "ZAI_API_KEY"),
    "dashscope": Named("alibaba", "DASHSCOPE_API_KEY"),
    "minimax": Named("minimax", "MINIMAX_API_KEY"),
    "voyage": Named("voyage", "VOYAGE_API_KEY"),
    "jina_ai": Named("jina", "JINA_AI_API_KEY"),
    "github": Named("github", "GITHUB_API_KEY"),
    "deepgram": Named("deepgram", "DEEPGRAM_API_KEY"),
    "elevenlabs": Named("elevenlabs", "ELEVENLABS_API_KEY"),
    "heroku": Named("heroku", "HEROKU_API_KEY"),
    "replicate": Named("replicate", "REPLICATE_API_KEY"),
    "runwayml": Named("runway", "RUNWAYML_API_KEY"),
    "deepinfra": _own("DEEPINFRA_API_KEY", "https://api.deepinfra.com/v1/openai"),
    "baseten": _own("BASETEN_API_KEY", "https://inference.baseten.co/v1"),
    "meta_llama": _own("LLAMA_API_KEY", "https://api.llama.com/compat/v1"),
    "ai21": _own("AI21_API_KEY", "https://api.ai21.com/studio/v1"),
    "ai21_chat": _own("AI21_API_KEY", "https://api.ai21.com/studio/v1"),
    "volcengine": _own("VOLCENGINE_API_KEY", "https://ark.cn-beijing.volces.com/api/v3"),
    "codestral": _own("CODESTRAL_API_KEY", "https://codestral.mistral.ai/v1"),
    "friendliai": _own("FRIENDLIAI_API_KEY", "https://api.friendli.ai/serverless/v1"),
    "galadriel": _own("GALADRIEL_API_KEY", "https://api.galadriel.com/v1"),
    "novita": _own("NOVITA_API_KEY", "https://api.novita.ai/v3/openai"),
    "featherless_ai": _own("FEATHERLESS_AI_API_KEY", "https://api.featherless.ai/v1"),
    "v0": _own("V0_API_KEY", "https://api.v0.dev/v1"),
    "lambda_ai": _own("LAMBDA_API_KEY", "https://api.lambda.ai/v1"),
    "hyperbolic": _own("HYPERBOLIC_API_KEY", "https://api.hyperbolic.xyz/v1"),
    "vercel_ai_gateway": _own("VERCEL_AI_GATEWAY_API_KEY", "https://ai-gateway.vercel.sh/v1"),
    "wandb": _own("WANDB_API_KEY", "https://api.inference.wandb.ai/v1"),
    "publicai": _own("PUBLICAI_API_KEY", "https://api.publicai.co/v1"),
    "synthetic": _own("SYNTHETIC_API_KEY", "https://api.synthetic.new/openai/v1"),
    "nano-gpt": _own("NANOGPT_API_KEY", "https://nano-gpt.com/api/v1"),
    "poe": _own("POE_API_KEY", "https://api.poe.com/v1"),
    "xinference": Named("custom", "XINFERENCE_API_KEY", needs_base=True),
    "llamafile": Named("custom", "", base_url="http://127.0.0.1:8080/v1"),
    "infinity": Named("custom", "INFINITY_API_KEY", needs_base=True),
}

_OF_BARE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "gpt-",
            "gpt-4",
            "chatgpt-",
            "o1",
            "o3",
            "o4",
            "text-embedding-3",
            "text-embedding-ada",
            "dall-e",
            "whisper",
            "tts-",
            "omni-moderation",
            "text-moderation",
            "davinci-",
            "babbage-",
            "ft:",
            "codex-",
            "computer-use",
            "sora",
        ),
        "openai",
    ),
    (("claude",), "anthropic"),
    (("command", "embed-", "rerank-", "c4ai-"), "cohere"),
    (("gemini", "text-bison", "chat-bison"), "vertex_ai"),
    (
        (
            "anthropic.",
            "amazon.",
            "meta.",
            "mistral.",
            "cohere.",
            "ai21.",
            "us.",
            "eu.",
            "apac.",
            "arn:aws:bedrock",
        ),
        "bedrock",
    ),
    (("deepseek-",), "deepseek"),
)
"""How the names of models begin that stand in LiteLLM's own lists without a provider."""


def named_of(model: str, provider: str = "") -> tuple[str, str] | None:
    """(LiteLLM's name of the provider, model there) of ``litellm_params.model``; None where LiteLLM knows no provider
    either. ``provider`` is ``custom_llm_provider``."""
    first, slash, rest = model.partition("/")
    if provider in NAMED:
        return provider, rest if slash and first == provider else model
    if slash and rest and first in NAMED:
        return first, rest
    if slash:
        return None
    return next((name, model) for begins, name in _OF_BARE if model.startswith(begins)) if _is_bare(model) else None


def _is_bare(model: str) -> bool:
    return any(model.startswith(begins) for begins, _name in _OF_BARE)

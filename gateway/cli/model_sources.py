"""Which packages know what about which vendor's models: the tables behind ``microgate models refresh``.

Prices, context sizes and deprecations are genai-prices'. Output sizes and capabilities come from the profiles of
models.dev that LangChain's packages for OpenAI, Anthropic and Google hold, else from LiteLLM's map of models; so do the
prices of vendors that genai-prices does not know, where the map names the vendor's page that it has them from (without
a page it is off by a thousand in places). All three are under the MIT licence.
"""

from __future__ import annotations

PRICES_OF: dict[str, tuple[str, ...]] = {
    "alibaba": (),
    "anthropic": ("anthropic",),
    "azure": ("azure",),
    "bedrock": ("aws",),
    "cerebras": ("cerebras",),
    "cloudflare": ("cloudflare",),
    "cohere": ("cohere",),
    "databricks": ("databricks",),
    "deepgram": (),
    "deepseek": ("deepseek",),
    "elevenlabs": ("elevenlabs",),
    "fireworks": ("fireworks",),
    "google": ("google",),
    "groq": ("groq",),
    "heroku": (),
    "huggingface": (
        "huggingface_cerebras",
        "huggingface_fireworks-ai",
        "huggingface_groq",
        "huggingface_hyperbolic",
        "huggingface_nebius",
        "huggingface_novita",
        "huggingface_nscale",
        "huggingface_ovhcloud",
        "huggingface_publicai",
        "huggingface_sambanova",
        "huggingface_together",
    ),
    "minimax": ("minimax",),
    "mistral": ("mistral",),
    "moonshot": ("moonshotai",),
    "nebius": (),
    "openai": ("openai",),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "replicate": (),
    "runway": (),
    "sambanova": (),
    "snowflake": (),
    "together": ("together",),
    "voyage": ("voyageai",),
    "watsonx": (),
    "xai": ("x-ai",),
    "zai": ("zai",),
}
"""File -> providers of genai-prices. Those of Hugging Face's router are named behind the model, ``MODEL:together``."""

CAPABILITIES_OF: dict[str, tuple[tuple[str, str], ...]] = {
    "alibaba": (("dashscope", "dashscope/"),),
    "anthropic": (("anthropic", ""),),
    "azure": (("azure", "azure/"), ("azure_ai", "azure_ai/")),
    "bedrock": (("bedrock", ""), ("bedrock_converse", ""), ("bedrock_mantle", "bedrock_mantle/")),
    "cerebras": (("cerebras", "cerebras/"),),
    "cloudflare": (("cloudflare", "cloudflare/"),),
    "cohere": (("cohere", ""), ("cohere_chat", "")),
    "databricks": (("databricks", "databricks/"),),
    "deepgram": (("deepgram", "deepgram/"),),
    "deepseek": (("deepseek", "deepseek/"),),
    "elevenlabs": (("elevenlabs", "elevenlabs/"),),
    "fireworks": (("fireworks_ai", "fireworks_ai/"), ("fireworks_ai-embedding-models", "fireworks_ai/")),
    "google": (
        ("gemini", "gemini/"),
        ("vertex_ai-language-models", ""),
        ("vertex_ai", "vertex_ai/"),
        ("vertex_ai-embedding-models", ""),
        ("vertex_ai-anthropic_models", "vertex_ai/"),
        ("vertex_ai-llama_models", "vertex_ai/"),
        ("vertex_ai-mistral_models", "vertex_ai/"),
    ),
    "groq": (("groq", "groq/"),),
    "heroku": (("heroku", "heroku/"),),
    "minimax": (("minimax", "minimax/"),),
    "mistral": (("mistral", "mistral/"),),
    "moonshot": (("moonshot", "moonshot/"),),
    "nebius": (("nebius", "nebius/"),),
    "openai": (("openai", ""), ("text-completion-openai", "")),
    "openrouter": (("openrouter", "openrouter/"),),
    "perplexity": (("perplexity", "perplexity/"),),
    "replicate": (("replicate", "replicate/"),),
    "runway": (("runwayml", "runwayml/"),),
    "sambanova": (("sambanova", "sambanova/"),),
    "snowflake": (("snowflake", "snowflake/"),),
    "together": (("together_ai", "together_ai/"),),
    "voyage": (("voyage", "voyage/"),),
    "watsonx": (("watsonx", "watsonx/"),),
    "xai": (("xai", "xai/"),),
    "zai": (("zai", "zai/"),),
}
"""File -> providers of LiteLLM's map, with what stands before the models' names there."""

PROFILES_OF = {"openai": "langchain_openai", "anthropic": "langchain_anthropic", "google": "langchain_google_genai"}
"""File -> package with profiles of models.dev."""

NO_MODELS = ("ft:", "container", "fireworks-ai-", "together-ai-", "search")
"""Names in LiteLLM's map that are price classes or tools, and no models, begin like this."""

MISTAKES = frozenset({"gemini/gemini-1.5-flash", "gemini-flash-experimental"})
"""Rows of LiteLLM's map that are plainly another model's: these two chat models are called embeddings there."""

CAPABLE = ("can", "input", "output", "kind", "max_output")

COSTS = {
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
}
"""Our name -> LiteLLM's, of one token."""

KINDS = {
    "chat": "chat",
    "responses": "chat",
    "completion": "completion",
    "embedding": "embedding",
    "rerank": "rerank",
    "moderation": "moderation",
    "image_generation": "image",
    "image_edit": "image",
    "audio_speech": "speech",
    "audio_transcription": "transcription",
    "video_generation": "video",
    "ocr": "ocr",
    "realtime": "realtime",
}
NO_WORDS = frozenset({"embedding", "rerank", "speech", "transcription", "moderation", "ocr"})
"""Kinds whose answers are no conversation."""
ABILITIES = (
    ("tools", "supports_function_calling", "tool_calling"),
    ("tool_choice", "supports_tool_choice", "tool_choice"),
    ("parallel_tools", "supports_parallel_function_calling", ""),
    ("structured_output", "supports_response_schema", "structured_output"),
    ("reasoning", "supports_reasoning", "reasoning_output"),
    ("prompt_cache", "supports_prompt_caching", ""),
    ("web_search", "supports_web_search", ""),
)
"""Our name, LiteLLM's, models.dev's."""
INPUTS = (
    ("image", "supports_vision", "image_inputs"),
    ("audio", "supports_audio_input", "audio_inputs"),
    ("video", "supports_video_input", "video_inputs"),
    ("file", "supports_pdf_input", "pdf_inputs"),
)
OUTPUTS = (("image", "", "image_outputs"), ("audio", "supports_audio_output", "audio_outputs"))

PRICE_NAMES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "cache_image_read_mtok": "cache_read_image",
    "input_video_mtok": "input_video",
    "output_video_mtok": "output_video",
    "output_reasoning_mtok": "output_reasoning",
    "output_citation_mtok": "output_citation",
}
"""Of a million tokens. What is sold by something else keeps the source's name, which has its unit:
``web_searches_kcount`` (a thousand searches), ``audio_hours``, ``input_mchars`` (a million characters)."""

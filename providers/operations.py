"""The operations a caller can ask for, as small integers shared by routes, vendors, records and metrics.

Values are stored in records and in the request log: append, never renumber.
"""

from enum import IntEnum


class Operation(IntEnum):
    """What a request asks a provider to do; ``.name.lower()`` is the spelling in configuration and metrics."""

    NONE = 0
    CHAT = 1
    COMPLETIONS = 2
    RESPONSES = 3
    EMBEDDINGS = 4
    MODERATIONS = 5
    SPEECH = 6
    TRANSCRIPTION = 7
    TRANSLATION = 8
    IMAGE_GENERATION = 9
    IMAGE_EDIT = 10
    IMAGE_VARIATION = 11
    MODELS = 12
    FILES = 13
    BATCHES = 14
    RESPONSE_OBJECT = 15
    PASSTHROUGH = 16
    RERANK = 17
    ADMIN = 18
    INVOKE = 19
    COUNT_TOKENS = 20
    OCR = 21
    VIDEOS = 22
    ROUTE = 23
    USAGE = 24
    REALTIME = 40


class Dialect(IntEnum):
    """The wire formats spoken by callers and by providers."""

    NONE = 0
    OPENAI_CHAT = 1
    OPENAI_RESPONSES = 2
    OPENAI_COMPLETIONS = 3
    ANTHROPIC = 4
    GEMINI = 5
    BEDROCK = 6
    COHERE = 7
    OLLAMA = 8
    BEDROCK_INVOKE = 9
    VOYAGE = 10


OWN = frozenset(
    {Operation.NONE, Operation.MODELS, Operation.ROUTE, Operation.USAGE, Operation.ADMIN, Operation.REALTIME}
)
"""The gateway answers them itself, or hands them to somebody else than the phases."""
RELAYED = frozenset(
    {
        Operation.PASSTHROUGH,
        Operation.FILES,
        Operation.BATCHES,
        Operation.VIDEOS,
        Operation.RESPONSE_OBJECT,
        Operation.ADMIN,
    }
)
"""Path, method and body go through as they came."""
STRICT = frozenset(
    {
        Operation.CHAT,
        Operation.COMPLETIONS,
        Operation.RESPONSES,
        Operation.EMBEDDINGS,
        Operation.MODERATIONS,
        Operation.IMAGE_GENERATION,
        Operation.IMAGE_EDIT,
        Operation.IMAGE_VARIATION,
        Operation.RERANK,
        Operation.COUNT_TOKENS,
        Operation.OCR,
    }
)
"""Good answers are JSON documents or event streams."""
ASKS_USAGE = frozenset({Operation.CHAT, Operation.COMPLETIONS})
"""Streams report usage when ``stream_options`` asks for it."""

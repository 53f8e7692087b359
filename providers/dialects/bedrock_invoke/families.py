"""The families that have a dialect of their own: Claude, Nova, and those that follow OpenAI."""

from __future__ import annotations

import orjson

from providers.dialects import base, load
from providers.dialects.bedrock_invoke.form import Family, Pieces
from providers.dialects.reading import mapping
from providers.eventstream import EventStreamReader
from providers.framing import SseReader
from providers.neutral import Answer, Event, Json, Request


class _SsePieces(Pieces):
    """What the family's own API sends as server-sent events."""

    def __init__(self, encoder: base.StreamEncoder) -> None:
        self._encoder = encoder
        self._reader = SseReader()

    def of(self, event: Event) -> list[Json]:
        events = self._reader.feed(self._encoder.encode(event))
        return [orjson.loads(one.data) for one in events if one.data != b"[DONE]"]


class _Sse(Family):
    """A family whose own API is a dialect with server-sent events."""

    def __init__(self, dialect: str, own: frozenset[str]) -> None:
        self._name = dialect
        self._own = own
        """Members that only Bedrock has."""

    def decode(self, body: Json, model: str, stream: bool) -> Request:
        said = {name: value for name, value in body.items() if name not in self._own}
        request = load(self._name).decode_request({"model": model} | said, model=model, stream=stream)
        request.include_usage = True
        return request

    def answer(self, answer: Answer, request: Request) -> Json:
        return load(self._name).encode_answer(answer, request)

    def pieces(self, request: Request) -> Pieces:
        return _SsePieces(load(self._name).stream_encoder(request))


_NOVA_CONFIG = {"max_new_tokens": "maxTokens"}
_NOVA_USAGE = {
    "cacheReadInputTokens": "cacheReadInputTokenCount",
    "cacheWriteInputTokens": "cacheWriteInputTokenCount",
}


def _renamed(value: Json, names: dict[str, str]) -> Json:
    return {names.get(name, name): member for name, member in value.items()}


class _NovaPieces(Pieces):
    def __init__(self, encoder: base.StreamEncoder) -> None:
        self._encoder = encoder
        self._reader = EventStreamReader()

    def of(self, event: Event) -> list[Json]:
        frames = self._reader.feed(self._encoder.encode(event))
        return [{one.headers[":event-type"]: orjson.loads(one.payload)} for one in frames]


class _Nova(Family):
    """Amazon's Nova: Converse's members under almost the same names (Amazon Nova user guide, "Complete request
    schema")."""

    def decode(self, body: Json, model: str, stream: bool) -> Request:
        said = {name: value for name, value in body.items() if name != "schemaVersion"}
        config = said.get("inferenceConfig")
        if isinstance(config, dict):
            config = said["inferenceConfig"] = _renamed(config, _NOVA_CONFIG)
            top_k = config.pop("topK", None)
            if top_k is not None:
                said["additionalModelRequestFields"] = {"inferenceConfig": {"topK": top_k}}
        return load("bedrock").decode_request(said, model=model, stream=stream)

    def answer(self, answer: Answer, request: Request) -> Json:
        body = load("bedrock").encode_answer(answer, request)
        usage = _renamed(mapping(body.get("usage")), _NOVA_USAGE)
        return {"output": body["output"], "stopReason": body["stopReason"], "usage": usage}

    def pieces(self, request: Request) -> Pieces:
        return _NovaPieces(load("bedrock").stream_encoder(request))


CLAUDE = _Sse("anthropic", frozenset(("anthropic_version", "anthropic_beta")))
NOVA = _Nova()
OPENAI = _Sse("openai_chat", frozenset())

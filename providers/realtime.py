"""Realtime sessions over a WebSocket, as far as a relay has to understand them: models that are named, tokens that are
used, answers that are under way.

Events pass as they are. What a caller says of models is judged, and what was judged is what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from providers.neutral import Json, Usage

Check = Callable[[str], bool]
"""Whether the caller's key may use this model."""

NOT_JSON = "An event has to be a JSON object."
FIXED = "The model of a session is the one it was opened with."


_TYPE = re.compile(rb'\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]*"\s*,\s*)?"type"\s*:\s*"([a-z_.]+)"')
"""Where providers of this form write the type: found without reading a piece of audio to its end."""
_SAYS_USAGE = ("response.done", "conversation.item.input_audio_transcription.completed")


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a caller's event."""

    data: bytes
    """To be sent on."""
    refusal: str = ""
    """Why it is not sent on."""
    param: str = ""
    event_id: str = ""


class Form:
    """One session's events in one dialect, from its first to its last."""

    model_first = False
    """The model is named by the first message, not by the address."""

    def __init__(self) -> None:
        self.usage = Usage()
        """The sum of what the provider has said so far."""
        self.told = 0
        """How many times it has."""
        self.answering = False
        self.pieces = 0
        """Events with contents of an answer whose usage has not been said: what stands in for it."""

    def judge(self, data: bytes, model: str, upstream: str, may_use: Check) -> Judged:
        """A caller's event in a session with ``model``, as the caller calls it, or ``upstream``, as the provider."""
        raise NotImplementedError

    def listen(self, data: bytes) -> bool:
        """A provider's event; True when it said what was used."""
        raise NotImplementedError

    def error(self, judged: Judged, code: str) -> bytes:
        """The event that tells the caller of a refusal; empty where the dialect has none."""
        return b""

    def add(self, usage: Usage) -> None:
        total = self.usage
        total.input_tokens += usage.input_tokens
        total.output_tokens += usage.output_tokens
        total.cached_tokens += usage.cached_tokens
        total.reasoning_tokens += usage.reasoning_tokens
        total.audio_in_tokens += usage.audio_in_tokens
        total.audio_out_tokens += usage.audio_out_tokens
        total.cached_audio_tokens += usage.cached_audio_tokens
        total.image_in_tokens += usage.image_in_tokens
        self.told += 1


class OpenAIForm(Form):
    """OpenAI's, and of Azure and xAI, who follow it; the events of its beta too."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0

    def judge(self, data: bytes, model: str, upstream: str, may_use: Check) -> Judged:
        # Only "session" names models; written with escapes it could be overlooked.
        if b"session" not in data and b"\\" not in data and data[:1] == b"{":
            return Judged(data)
        event = _object(data)
        if event is None:
            return Judged(b"", NOT_JSON)
        identity = event.get("event_id")
        event_id = identity if isinstance(identity, str) else ""
        named = [name for name in event if name.lower() == "session"]
        if not named:
            return Judged(data)
        session = event.get("session")
        if named != ["session"] or not isinstance(session, dict | None):
            return Judged(b"", "The member 'session' has to be an object.", "session", event_id)
        if session is not None:
            told = _models_in(session)
            if told is None:
                return Judged(b"", "Members that name a model are written 'model'.", "session", event_id)
            for path, place in told:
                name = place["model"]
                if path == "session.model":
                    if name not in (model, upstream):
                        return Judged(b"", FIXED, path, event_id)
                    place["model"] = upstream
                elif name is not None and not (isinstance(name, str) and may_use(name)):
                    shown = str(name)[:128]
                    return Judged(b"", f"This key may not use the model '{shown}'.", path, event_id)
        return Judged(orjson.dumps(event))

    def listen(self, data: bytes) -> bool:
        found = _TYPE.match(data)
        event = None if found is not None else _object(data)
        kind = found[1].decode() if found is not None else _mapping(event).get("type")
        if kind == "response.created":
            self.answering = True
        if kind not in _SAYS_USAGE:
            if isinstance(kind, str) and kind.startswith("response.") and kind.endswith(".delta"):
                self.pieces += 1
            return False
        event = _mapping(event or _object(data))
        if kind == "response.done":
            self.answering = False
            response = event.get("response")
            usage = response.get("usage") if isinstance(response, dict) else None
        else:
            usage = event.get("usage")
        if not isinstance(usage, dict) or "input_tokens" not in usage:
            return False
        if kind == "response.done":
            self.pieces = 0
        taken, given = _mapping(usage.get("input_token_details")), _mapping(usage.get("output_token_details"))
        self.add(
            Usage(
                _count(usage.get("input_tokens")),
                _count(usage.get("output_tokens")),
                _count(taken.get("cached_tokens")),
                0,
                _count(given.get("reasoning_tokens")),
                _count(taken.get("audio_tokens")),
                _count(given.get("audio_tokens")),
                image_in_tokens=_count(taken.get("image_tokens")),
                cached_audio_tokens=_count(_mapping(taken.get("cached_tokens_details")).get("audio_tokens")),
            )
        )
        return True

    def error(self, judged: Judged, code: str) -> bytes:
        self.refusals += 1
        return orjson.dumps(
            {
                "type": "error",
                "event_id": f"event_gateway_{self.refusals}",
                "error": {
                    "type": "invalid_request_error",
                    "code": code,
                    "message": judged.refusal,
                    "param": judged.param or None,
                    "event_id": judged.event_id or None,
                },
            }
        )


class GeminiForm(Form):
    """Gemini Live: the first message is the set-up, and names the model."""

    model_first = True

    def judge(self, data: bytes, model: str, upstream: str, may_use: Check) -> Judged:
        if b"setup" not in data and b"\\" not in data and data.lstrip()[:1] == b"{":
            return Judged(data)
        event = _object(data)
        if event is None:
            return Judged(b"", NOT_JSON)
        if any(name.lower() == "setup" for name in event):
            return Judged(b"", FIXED, "setup")
        # As it was understood here: of members that stand there twice another reader might take the other.
        return Judged(orjson.dumps(event))

    def listen(self, data: bytes) -> bool:
        if b"serverContent" not in data and b"usageMetadata" not in data and b"toolCall" not in data:
            return False
        event = _object(data)
        if event is None:
            return False
        content = _mapping(event.get("serverContent"))
        if "modelTurn" in content:
            self.answering = True
            self.pieces += 1
        if "turnComplete" in content or "interrupted" in content or "toolCall" in event:
            self.answering = False
        usage = event.get("usageMetadata")
        if not isinstance(usage, dict):
            return False
        self.pieces = 0
        thoughts = _count(usage.get("thoughtsTokenCount"))
        answer = "response" if "responseTokenCount" in usage else "candidates"
        self.add(
            Usage(
                _count(usage.get("promptTokenCount")) + _count(usage.get("toolUsePromptTokenCount")),
                _count(usage.get(f"{answer}TokenCount")) + thoughts,
                _count(usage.get("cachedContentTokenCount")),
                0,
                thoughts,
                _audio(usage.get("promptTokensDetails")),
                _audio(usage.get(f"{answer}TokensDetails")),
            )
        )
        return True


def setup_of(data: bytes) -> tuple[Json, str] | None:
    """The first message of a Gemini Live session and the model it names, without ``models/``; None when it is none."""
    event = _object(data)
    setup = event.get("setup") if event is not None else None
    if event is None or not isinstance(setup, dict):
        return None
    if any(name.lower() == "setup" and name != "setup" for name in event):
        return None
    if any(name.lower() == "model" and name != "model" for name in setup):
        return None
    model = setup.get("model")
    if not isinstance(model, str):
        return None
    return event, model.removeprefix("models/")


def with_model(event: Json, model: str) -> bytes:
    """A set-up for this model of the provider's."""
    event["setup"]["model"] = model if "/" in model else f"models/{model}"
    return orjson.dumps(event)


FORMS: dict[str, type[Form]] = {"openai": OpenAIForm, "gemini": GeminiForm}


def family(dialect: str) -> str:
    """Which of ``FORMS`` a provider of this dialect has."""
    return "openai" if dialect.startswith("openai") else dialect


def _models_in(session: Json) -> list[tuple[str, Json]] | None:
    """Where models are named: path and the object that holds the member. None when one is written in another case."""
    found: list[tuple[str, Json]] = []
    places: list[tuple[str, Any]] = [("session", session)]
    while places:
        path, place = places.pop()
        if isinstance(place, dict):
            for name, value in place.items():
                if name == "model":
                    if path.rpartition(".")[2] in ("session", "transcription", "input_audio_transcription"):
                        found.append((f"{path}.model", place))
                elif name.lower() == "model":
                    return None
                elif name in ("audio", "input", "transcription", "input_audio_transcription"):
                    places.append((f"{path}.{name}", value))
    return found


def _object(data: bytes) -> Json | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    """A count of tokens; nothing else is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 53 else 0


def _audio(details: Any) -> int:
    if not isinstance(details, list):
        return 0
    return sum(_count(d.get("tokenCount")) for d in details if isinstance(d, dict) and d.get("modality") == "AUDIO")

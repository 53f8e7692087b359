"""Families that take one prompt and give one text, each with names of its own.

Source: Amazon Bedrock user guide, "Inference request parameters and response fields for foundation models". The prompt
goes to the provider as the user's words, a family's own marks of turns included; only Claude's ``Human:`` and
``Assistant:`` are taken apart.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from providers.dialects.bedrock_invoke.form import Family, Pieces
from providers.dialects.reading import a_list, a_number, a_text, an_object
from providers.neutral import (
    Answer,
    Ended,
    Event,
    Json,
    Malformed,
    Message,
    PartDelta,
    PartStart,
    Request,
    Text,
    Usage,
)

ORIGIN = "bedrock_invoke"


class Prompt(Family):
    """One of them; subclasses write the answer."""

    name = ""
    prompt = "prompt"
    within = ""
    """Member that holds the parameters; empty: the body itself."""
    limit = "max_tokens"
    top_p = "top_p"
    top_k = "top_k"
    stop = "stop_sequences"
    length = "length"
    """The word for an answer that met its bound."""
    end = "stop"

    def decode(self, body: Json, model: str, stream: bool) -> Request:
        request = Request(ORIGIN, model, self.turns(a_text(body.get(self.prompt), self.prompt)), stream=stream)
        said = an_object(body.get(self.within, {}), self.within) if self.within else body
        limit = a_number(said.get(self.limit), self.limit)
        if isinstance(limit, float) and not limit.is_integer():
            raise Malformed(f"'{self.limit}' is no whole number.", self.limit)
        request.max_tokens = None if limit is None else int(limit)
        sampling = request.sampling
        sampling.temperature = a_number(said.get("temperature"), "temperature")
        sampling.top_p = a_number(said.get(self.top_p), self.top_p)
        sampling.top_k = a_number(said.get(self.top_k), self.top_k)
        sampling.stop = [a_text(one, self.stop) for one in a_list(said.get(self.stop) or [], self.stop)]
        request.shape = self.name
        return request

    def turns(self, prompt: str) -> list[Message]:
        return [Message("user", [Text(prompt)], True)]

    def answer(self, answer: Answer, request: Request) -> Json:
        choice = answer.choices[0] if answer.choices else None
        said = "".join(part.text for part in choice.parts if isinstance(part, Text)) if choice else ""
        reason = self.length if choice is not None and choice.finish == "length" else self.end
        return self.write(said, reason, answer.usage or Usage(), answer.id)

    def pieces(self, request: Request) -> Pieces:
        return _Pieces(self)

    @abstractmethod
    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        """The whole answer."""

    @abstractmethod
    def piece(self, said: str, reason: str | None) -> Json:
        """One piece of a stream; ``reason`` with the last."""


class _Pieces(Pieces):
    def __init__(self, family: Prompt) -> None:
        self._family = family
        self._texts: set[int] = set()

    def of(self, event: Event) -> list[Json]:
        if isinstance(event, PartStart) and event.choice == 0 and isinstance(event.content, Text):
            self._texts.add(event.part)
            return [self._family.piece(event.content.text, None)] if event.content.text else []
        if isinstance(event, PartDelta) and event.choice == 0 and event.part in self._texts and event.text:
            return [self._family.piece(event.text, None)]
        if isinstance(event, Ended) and event.choice == 0:
            family = self._family
            return [family.piece("", family.length if event.finish == "length" else family.end)]
        return []


class Claude(Prompt):
    name, limit, length, end = "claude", "max_tokens_to_sample", "max_tokens", "stop_sequence"

    def turns(self, prompt: str) -> list[Message]:
        out: list[Message] = []
        for number, said in enumerate(prompt.removeprefix("\n\n").removeprefix("Human:").split("\n\nHuman:")):
            human, mark, assistant = said.partition("\n\nAssistant:")
            if number or human.strip():
                out.append(Message("user", [Text(human.strip())], True))
            if mark and assistant.strip():
                out.append(Message("assistant", [Text(assistant.strip())], True))
        return out

    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        return {"type": "completion", "completion": said, "stop_reason": reason, "stop": _human(reason)}

    def piece(self, said: str, reason: str | None) -> Json:
        return {"type": "completion", "completion": said, "stop_reason": reason, "stop": _human(reason)}


def _human(reason: str | None) -> str | None:
    return "\n\nHuman:" if reason == "stop_sequence" else None


class Titan(Prompt):
    name, prompt, within, limit = "titan", "inputText", "textGenerationConfig", "maxTokenCount"
    top_p, stop, length, end = "topP", "stopSequences", "LENGTH", "FINISH"

    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        result = {"tokenCount": usage.output_tokens, "outputText": said, "completionReason": reason}
        return {"inputTextTokenCount": usage.input_tokens, "results": [result]}

    def piece(self, said: str, reason: str | None) -> Json:
        return {"outputText": said, "index": 0, "totalOutputTextTokenCount": None, "completionReason": reason}


class Llama(Prompt):
    name, limit = "llama", "max_gen_len"

    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        counts = {"prompt_token_count": usage.input_tokens, "generation_token_count": usage.output_tokens}
        return {"generation": said, **counts, "stop_reason": reason}

    def piece(self, said: str, reason: str | None) -> Json:
        counts = {"prompt_token_count": None, "generation_token_count": None}
        return {"generation": said, **counts, "stop_reason": reason}


class Mistral(Prompt):
    name, stop = "mistral", "stop"

    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        return self.piece(said, reason)

    def piece(self, said: str, reason: str | None) -> Json:
        return {"outputs": [{"text": said, "stop_reason": reason}]}


class Command(Prompt):
    name, top_p, top_k, length, end = "command", "p", "k", "MAX_TOKENS", "COMPLETE"

    def write(self, said: str, reason: str, usage: Usage, identity: str) -> Json:
        return {"id": identity, "generations": [{"id": identity, "text": said, "finish_reason": reason}]}

    def piece(self, said: str, reason: str | None) -> Json:
        if reason is None:
            return {"text": said, "is_finished": False}
        return {"is_finished": True, "finish_reason": reason}


FAMILIES: dict[Any, Prompt] = {one.name: one for one in (Claude(), Titan(), Llama(), Mistral(), Command())}


def of_body(body: Json, model: str) -> Prompt | None:
    """The family that a body without messages shows, and where it does not, its model."""
    if "max_tokens_to_sample" in body:
        return FAMILIES["claude"]
    if "inputText" in body:
        return FAMILIES["titan"]
    if "prompt" not in body:
        return None
    if "max_gen_len" in body or "meta.llama" in model:
        return FAMILIES["llama"]
    if "cohere." in model or "p" in body or "k" in body:
        return FAMILIES["command"]
    return None if "ai21." in model or "maxTokens" in body else FAMILIES["mistral"]

"""Ollama's ``/api/embed``.

Source: Ollama's API reference and the types of its Python client.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects.base import Facts
from providers.dialects.reading import items, rest, text
from providers.forms.base import Form
from providers.forms.embeddings import (
    FLOAT,
    EmbedAnswer,
    EmbedRequest,
    Input,
    a_vector,
    at_least_one,
    count,
    texts_of,
    vectors,
    wanted,
)
from providers.neutral import Json, Losses, Malformed

KNOWN = frozenset(("model", "input", "truncate", "dimensions"))


class Ollama(Form[EmbedRequest, EmbedAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> EmbedRequest:
        said = body.get("input")
        inputs: list[Input] = [said] if isinstance(said, str) else items(said)
        if not all(isinstance(value, str) for value in inputs):
            raise Malformed("'input' is no text and no list of texts.", "input")
        truncate = body.get("truncate")
        return EmbedRequest(
            at_least_one(inputs, "input"),
            isinstance(said, str),
            count(body.get("dimensions"), "dimensions"),
            truncate="" if truncate is None else "end" if truncate else "none",
            extra=rest(body, KNOWN),
        )

    def encode_request(self, asked: EmbedRequest, facts: Facts, losses: Losses) -> Json:
        wanted(asked, (FLOAT,))
        said = texts_of(asked)
        body: Json = {"model": facts.model, "input": said[0] if asked.single else said}
        if asked.dimensions is not None:
            body["dimensions"] = asked.dimensions
        if asked.truncate == "start":
            losses.lose("truncate")
        elif asked.truncate:
            body["truncate"] = asked.truncate == "end"
        for member, value in (
            ("input_type", asked.purpose),
            ("title", asked.title),
            ("user", asked.user),
            ("normalize", asked.normalize is False),  # it always does
        ):
            if value:
                losses.lose(member)
        losses.leave(asked.extra, body)
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> EmbedAnswer:
        found = [a_vector(value) for value in items(body.get("embeddings"))]
        if not found:
            raise Malformed("The answer holds no embeddings.")
        tokens = body.get("prompt_eval_count")
        return EmbedAnswer({FLOAT: found}, text(body.get("model")), "", tokens if type(tokens) is int else None)

    def encode_answer(self, answer: EmbedAnswer, asked: EmbedRequest) -> Json:
        body: Json = {"model": answer.model, "embeddings": vectors(answer, FLOAT)}
        if answer.input_tokens is not None:
            body["prompt_eval_count"] = answer.input_tokens
        return body


FORM = Ollama()

"""``/embeddings`` of OpenAI and of those who follow it; Voyage and Jina say the purpose, the size and the encoding
under names of their own.

Sources: the recorded exchanges; the types of OpenAI's Python SDK. Jina's names are unconfirmed by an exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import Facts
from providers.dialects.reading import a_text, items, mapping, rest, text
from providers.forms.base import Form
from providers.forms.embeddings import (
    BASE64,
    ENCODINGS,
    FLOAT,
    EmbedAnswer,
    EmbedRequest,
    Input,
    Piece,
    a_vector,
    address,
    at_least_one,
    count,
    image,
    pieces_of,
    texts_of,
    vectors,
    wanted,
)
from providers.neutral import Json, Losses, Malformed, Media, Text

KNOWN = frozenset(
    (
        "model", "input", "dimensions", "encoding_format", "user", "input_type", "task", "output_dimension",
        "truncation", "truncate", "embedding_type", "output_dtype", "title", "normalized",
    )
)  # fmt: skip
PURPOSES = {
    "query": "query",
    "document": "document",
    "passage": "document",
    "search_query": "query",
    "search_document": "document",
    "classification": "classification",
    "clustering": "clustering",
    "retrieval.query": "query",
    "retrieval.passage": "document",
    "text-matching": "similarity",
    "separation": "clustering",
    "RETRIEVAL_QUERY": "query",
    "RETRIEVAL_DOCUMENT": "document",
    "SEMANTIC_SIMILARITY": "similarity",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
"""``input_type`` or ``task`` as callers of OpenAI's form say it to providers that know more than OpenAI."""
VOYAGE = {"query": "query", "document": "document"}
JINA = {
    "query": "retrieval.query",
    "document": "retrieval.passage",
    "similarity": "text-matching",
    "classification": "classification",
    "clustering": "separation",
}
MAX_TOKEN = 1 << 31


def _input(value: Any) -> tuple[list[Input], bool]:
    """The inputs, and whether there was one that was no list."""
    if isinstance(value, str):
        return [value], True
    if isinstance(value, list) and value and _is_token(value[0]):
        return [_tokens(value)], True
    if not isinstance(value, list):
        raise Malformed("'input' is no text and no list.", "input")
    return at_least_one([_one(item) for item in value], "input"), False


def _one(value: Any) -> Input:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return _tokens(value)
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            return text(value["text"])
        if isinstance(value.get("image"), str):
            url = value["image"]
            whole = url.startswith(("data:", "http://", "https://"))
            pieces: list[Piece] = [image(url) if whole else Media("image", data=url)]
            return pieces
    raise Malformed("'input' holds something that is neither a text nor a list of tokens.", "input")


def _is_token(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_TOKEN


def _tokens(value: list[Any]) -> list[int]:
    if not all(map(_is_token, value)):
        raise Malformed("'input' holds a list that is none of tokens.", "input")
    return value


class OpenAI(Form[EmbedRequest, EmbedAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> EmbedRequest:
        inputs, single = _input(body.get("input"))
        encoding = (
            text(body.get("encoding_format")) or text(body.get("embedding_type")) or text(body.get("output_dtype"))
        )
        if encoding and encoding not in ENCODINGS:
            raise Malformed(f"'encoding_format' is none of: {', '.join(ENCODINGS)}.", "encoding_format")
        said = text(body.get("input_type")) or text(body.get("task"))
        if said and said not in PURPOSES:
            raise Malformed(f"'{said[:40]}' is no purpose of embeddings known here.", "input_type")
        size = body.get("dimensions")
        truncation = body.get("truncation", body.get("truncate"))
        normalized = body.get("normalized")
        return EmbedRequest(
            inputs,
            single,
            count(body.get("output_dimension") if size is None else size, "dimensions"),
            PURPOSES.get(said, ""),
            text(body.get("title")),
            [encoding] if encoding else [],
            _truncation(truncation),
            text(body.get("user")),
            normalized if isinstance(normalized, bool) else None,
            extra=rest(body, KNOWN),
        )

    def encode_request(self, asked: EmbedRequest, facts: Facts, losses: Losses) -> Json:
        body: Json = {"model": facts.model, "input": self._inputs(asked, facts)}
        if facts.vendor == "voyage":
            _voyage(body, asked, losses)
        elif facts.vendor == "jina":
            _jina(body, asked, losses)
        else:
            if facts.vendor == "perplexity":
                raise Malformed("Perplexity's embeddings are int8 alone: ask for them at /v1/embeddings.", "model")
            wanted(asked, (FLOAT,))
            if asked.encodings:
                body["encoding_format"] = FLOAT
            if asked.dimensions is not None:
                body["dimensions"] = asked.dimensions
            if asked.user:
                body["user"] = asked.user
            if asked.purpose:
                losses.lose("input_type")
            if asked.truncate:
                losses.lose("truncate")
            if asked.normalize is not None:
                losses.lose("normalize")
        if asked.title:
            losses.lose("title")
        losses.leave(asked.extra, body)
        return body

    def _inputs(self, asked: EmbedRequest, facts: Facts) -> Any:
        if facts.vendor == "jina" and any(isinstance(value, list) for value in asked.inputs):
            return [_jina_input(value) for value in asked.inputs]
        if facts.vendor not in ("voyage", "jina") and all(_is_tokens(value) for value in asked.inputs):
            return asked.inputs[0] if asked.single else asked.inputs
        said = texts_of(asked)
        return said[0] if asked.single else said

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> EmbedAnswer:
        data = [mapping(item) for item in items(body.get("data"))]
        if not data:
            raise Malformed("The answer holds no embeddings.")
        if all(type(item.get("index")) is int for item in data):
            data.sort(key=lambda item: int(item["index"]))
        found = [a_vector(item.get("embedding")) for item in data]
        encoding = BASE64 if isinstance(found[0], str) else FLOAT
        usage = mapping(body.get("usage"))
        tokens = usage.get("prompt_tokens", usage.get("total_tokens"))
        return EmbedAnswer(
            {encoding: found}, text(body.get("model")), text(body.get("id")), tokens if type(tokens) is int else None
        )

    def encode_answer(self, answer: EmbedAnswer, asked: EmbedRequest) -> Json:
        encoding = asked.encodings[0] if asked.encodings else FLOAT
        tokens = answer.input_tokens or 0
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": number, "embedding": vector}
                for number, vector in enumerate(vectors(answer, encoding))
            ],
            "model": answer.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _is_tokens(value: Input) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], int)


def _truncation(value: Any) -> str:
    if value is True:
        return "end"
    if value is False:
        return "none"
    if value is None:
        return ""
    return _cut(a_text(value, "truncate"))


def _cut(value: str) -> str:
    cut = value.lower()
    if cut not in ("none", "start", "end"):
        raise Malformed("'truncate' is none of: NONE, START, END.", "truncate")
    return cut


def _voyage(body: Json, asked: EmbedRequest, losses: Losses) -> None:
    (encoding,) = wanted(asked, (FLOAT, "int8", "uint8", "binary", "ubinary")) if len(asked.encodings) < 2 else [""]
    if not encoding:
        raise Malformed("This provider gives embeddings in one encoding a request.", "embedding_types")
    if encoding != FLOAT:
        body["output_dtype"] = encoding
    if asked.dimensions is not None:
        body["output_dimension"] = asked.dimensions
    if asked.purpose in VOYAGE:
        body["input_type"] = VOYAGE[asked.purpose]
    elif asked.purpose:
        losses.lose("input_type")
    if asked.truncate == "start":
        losses.lose("truncate")
    elif asked.truncate:
        body["truncation"] = asked.truncate == "end"
    if asked.user:
        losses.lose("user")
    if asked.normalize is not None:
        losses.lose("normalize")


def _jina(body: Json, asked: EmbedRequest, losses: Losses) -> None:
    wanted(asked, (FLOAT,))
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    if asked.purpose in JINA:
        body["task"] = JINA[asked.purpose]
    elif asked.purpose:
        losses.lose("input_type")
    if asked.normalize is not None:
        body["normalized"] = asked.normalize
    if asked.truncate == "start":
        losses.lose("truncate")
    elif asked.truncate:
        body["truncate"] = asked.truncate == "end"
    if asked.user:
        losses.lose("user")


def _jina_input(value: Input) -> Json:
    (piece, *more) = pieces_of(value, "input")
    if more:
        raise Malformed("This provider takes one text or image for each embedding.", "input")
    if isinstance(piece, Text):
        return {"text": piece.text}
    return {"image": piece.data or address(piece)}


FORM = OpenAI()

"""Cohere's ``/v2/embed``.

Sources: the recorded exchanges; the types of Cohere's Python SDK 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import Facts
from providers.dialects.reading import a_list, a_text, an_object, items, mapping, rest, text
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
    vectors,
    wanted,
)
from providers.neutral import Json, Losses, Malformed, Text

KNOWN = frozenset(
    (
        "model",
        "texts",
        "images",
        "inputs",
        "input_type",
        "embedding_types",
        "output_dimension",
        "truncate",
        "max_tokens",
    )
)
TYPES = {
    "search_query": "query",
    "search_document": "document",
    "classification": "classification",
    "clustering": "clustering",
    "image": "image",
}
INPUT_TYPES = {
    **{purpose: name for name, purpose in TYPES.items()},
    "question_answering": "search_query",
    "fact_verification": "search_query",
    "code_query": "search_query",
}
DEFAULT_TYPE = "search_document"
"""Cohere insists on one."""


def _input(value: Any) -> Input:
    pieces: list[Piece] = []
    for part in a_list(an_object(value, "inputs").get("content"), "inputs.content"):
        said = an_object(part, "inputs.content")
        if said.get("type") == "text":
            pieces.append(Text(a_text(said.get("text"), "inputs.content.text")))
        elif said.get("type") == "image_url":
            pieces.append(image(a_text(mapping(said.get("image_url")).get("url"), "inputs.content.image_url.url")))
        else:
            raise Malformed("A part of 'inputs' is neither a text nor an image.", "inputs.content")
    if not pieces:
        raise Malformed("'inputs.content' is empty.", "inputs.content")
    return pieces


def _image(url: str) -> Input:
    pieces: list[Piece] = [image(url)]
    return pieces


def inputs_of(body: Json) -> list[Input]:
    """Texts, images and mixed inputs, of which one is set. Raises Malformed."""
    texts = [a_text(value, "texts") for value in a_list(body.get("texts") or [], "texts")]
    images = [a_text(value, "images") for value in a_list(body.get("images") or [], "images")]
    mixed = [_input(value) for value in a_list(body.get("inputs") or [], "inputs")]
    return at_least_one([*texts, *map(_image, images), *mixed], "texts")


def options_of(body: Json) -> tuple[list[str], str, str]:
    """Encodings, purpose and where to cut. Raises Malformed."""
    encodings = [
        a_text(value, "embedding_types") for value in a_list(body.get("embedding_types") or [], "embedding_types")
    ]
    if not set(encodings) <= set(ENCODINGS):
        raise Malformed(f"'embedding_types' holds one that is none of: {', '.join(ENCODINGS)}.", "embedding_types")
    said = text(body.get("input_type"))
    if said and said not in TYPES:
        raise Malformed(f"'input_type' is none of: {', '.join(TYPES)}.", "input_type")
    cut = text(body.get("truncate")).lower()
    if cut not in ("", "none", "start", "end"):
        raise Malformed("'truncate' is none of: NONE, START, END.", "truncate")
    return encodings, TYPES.get(said, ""), cut


def put_inputs(body: Json, asked: EmbedRequest, losses: Losses) -> None:
    """Inputs and what is to be done with them."""
    pieces = [pieces_of(value, "input") for value in asked.inputs]
    if all(len(one) == 1 and isinstance(one[0], Text) for one in pieces):
        body["texts"] = [piece.text for one in pieces for piece in one if isinstance(piece, Text)]
        body["input_type"] = INPUT_TYPES.get(asked.purpose, DEFAULT_TYPE)
    elif len(pieces) == 1 and len(pieces[0]) == 1 and not isinstance(pieces[0][0], Text):
        body["images"] = [address(pieces[0][0])]
        body["input_type"] = "image"
    else:
        body["inputs"] = [{"content": [_part(piece) for piece in one]} for one in pieces]
        body["input_type"] = INPUT_TYPES.get(asked.purpose, DEFAULT_TYPE)
    if asked.purpose and asked.purpose not in INPUT_TYPES:
        losses.lose("input_type")
    if asked.truncate:
        body["truncate"] = asked.truncate.upper()
    for member, value in (("title", asked.title), ("user", asked.user), ("normalize", asked.normalize)):
        if value:
            losses.lose(member)


def _part(piece: Piece) -> Json:
    if isinstance(piece, Text):
        return {"type": "text", "text": piece.text}
    return {"type": "image_url", "image_url": {"url": address(piece)}}


class Cohere(Form[EmbedRequest, EmbedAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> EmbedRequest:
        encodings, purpose, cut = options_of(body)
        size = count(body.get("output_dimension"), "output_dimension")
        return EmbedRequest(
            inputs_of(body), False, size, purpose, encodings=encodings, truncate=cut, extra=rest(body, KNOWN)
        )

    def encode_request(self, asked: EmbedRequest, facts: Facts, losses: Losses) -> Json:
        body: Json = {"model": facts.model}
        put_inputs(body, asked, losses)
        body["embedding_types"] = wanted(asked, ENCODINGS)
        if asked.dimensions is not None:
            body["output_dimension"] = asked.dimensions
        losses.leave(asked.extra, body)
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> EmbedAnswer:
        units = mapping(mapping(body.get("meta")).get("billed_units"))
        tokens = units.get("input_tokens", units.get("image_tokens"))
        said = tokens if type(tokens) in (int, float) else None
        return EmbedAnswer(vectors_in(body), "", text(body.get("id")), None if said is None else int(said))

    def encode_answer(self, answer: EmbedAnswer, asked: EmbedRequest) -> Json:
        return {
            "id": answer.id or "embed-0",
            "embeddings": {name: vectors(answer, name) for name in asked.encodings or [FLOAT]},
            "texts": [value for value in asked.inputs if isinstance(value, str)],
            "meta": {
                "api_version": {"version": "2"},
                **({} if answer.input_tokens is None else {"billed_units": {"input_tokens": answer.input_tokens}}),
            },
            "response_type": "embeddings_by_type",
        }


def vectors_in(body: Json) -> dict[str, list[Any]]:
    """Vectors by encoding, or floats alone. Raises Malformed."""
    said = body.get("embeddings")
    named = said if isinstance(said, dict) else {FLOAT: said}
    found = {
        name: [a_vector(value) for value in items(named.get(name))] for name in ENCODINGS if items(named.get(name))
    }
    if not found or any(isinstance(value, str) is not (name == BASE64) for name in found for value in found[name]):
        raise Malformed("The answer holds no embeddings.")
    return found


FORM = Cohere()

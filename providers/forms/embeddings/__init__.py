"""Embeddings: what is asked and answered, whatever the dialect."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, TypeAlias

from msgspec import Struct, field

from providers.dialects.reading import a_number, data_url
from providers.neutral import Json, Malformed, Media, Text

Piece: TypeAlias = Text | Media
Input: TypeAlias = str | list[int] | list[Piece]
"""One vector is wanted of each: a text, its tokens, or pieces that belong together."""

FLOAT = "float"
BASE64 = "base64"
ENCODINGS = ("float", "base64", "int8", "uint8", "binary", "ubinary")
"""Base64 is of float32, little-endian."""


class EmbedRequest(Struct):
    """What a caller wants vectors of."""

    inputs: list[Input]
    single: bool = False
    """Not asked as a list."""
    dimensions: int | None = None
    purpose: str = ""
    """A key of the dialects' tables; empty: not said."""
    title: str = ""
    encodings: list[str] = field(default_factory=list)
    """Empty: not said, which means float everywhere."""
    truncate: str = ""
    """``none``, ``start``, ``end``; empty: not said."""
    user: str = ""
    normalize: bool | None = None
    form: str = ""
    """Which of several forms of its dialect the caller wrote."""
    extra: Json | None = None


class EmbedAnswer(Struct):
    """A vector for each input, in one or several encodings."""

    vectors: dict[str, list[Any]]
    model: str = ""
    id: str = ""
    input_tokens: int | None = None
    """None: not said."""


def text_of(value: Input, member: str) -> str:
    """The text of an input for a provider that takes nothing else. Raises Malformed."""
    if isinstance(value, str):
        return value
    if len(value) == 1 and isinstance(value[0], Text):
        return value[0].text
    if value and isinstance(value[0], int):
        raise Malformed("This provider takes texts, not tokens: send the text itself.", member)
    if any(isinstance(piece, Media) for piece in value):
        raise Malformed("This provider makes embeddings of texts alone.", member)
    raise Malformed("This provider takes one text for each embedding, not several parts.", member)


def texts_of(asked: EmbedRequest, member: str = "input") -> list[str]:
    return [text_of(value, member) for value in asked.inputs]


def pieces_of(value: Input, member: str) -> list[Piece]:
    """An input as pieces. Raises Malformed for tokens."""
    if isinstance(value, str):
        return [Text(value)]
    if not value or isinstance(value[0], int):
        raise Malformed("This provider takes texts, not tokens: send the text itself.", member)
    return [piece for piece in value if not isinstance(piece, int)]


def only_one(asked: EmbedRequest) -> Input:
    """The input, for a model that takes one a request. Raises Malformed."""
    if len(asked.inputs) != 1:
        raise Malformed(
            f"This model takes one input a request, and {len(asked.inputs)} were sent: send them one by one.", "input"
        )
    return asked.inputs[0]


def at_least_one(inputs: list[Input], member: str) -> list[Input]:
    if not inputs:
        raise Malformed(f"'{member}' is empty.", member)
    return inputs


def count(value: Any, member: str) -> int | None:
    """A number of dimensions. Raises Malformed."""
    number = a_number(value, member)
    if number is not None and (not isinstance(number, int) or number < 1):
        raise Malformed(f"'{member}' is no positive whole number.", member)
    return number


def image(url: str) -> Media:
    """An image at an address, or in it."""
    inline = data_url(url)
    return Media("image", inline[0], data=inline[1]) if inline is not None else Media("image", url=url)


def address(media: Media) -> str:
    """The same as an address. Raises Malformed."""
    if media.url:
        return media.url
    if media.kind == "image" and media.data:
        return f"data:{media.media_type or 'image/png'};base64,{media.data}"
    raise Malformed("This provider makes embeddings of texts and images alone.", "input")


def wanted(asked: EmbedRequest, offered: tuple[str, ...]) -> list[str]:
    """Encodings to ask the provider for, so that all that the caller wants can be made of them. Raises Malformed."""
    needed: list[str] = []
    for encoding in asked.encodings or [FLOAT]:
        source = encoding
        if encoding not in offered:
            source = FLOAT if encoding == BASE64 else BASE64 if encoding == FLOAT else ""
        if source not in offered:
            possible = ", ".join(name for name in ENCODINGS if name in {*offered, FLOAT, BASE64})
            raise Malformed(
                f"Embeddings as '{encoding}' can't be had from this provider; it offers: {possible}.", "embedding_types"
            )
        if source not in needed:
            needed.append(source)
    return needed


def vectors(answer: EmbedAnswer, encoding: str) -> list[Any]:
    """The vectors in this encoding, as they came or made of floats. Raises Malformed."""
    said = answer.vectors.get(encoding)
    if said is not None:
        return said
    if encoding == FLOAT and BASE64 in answer.vectors:
        return [unpacked(value) for value in answer.vectors[BASE64]]
    if encoding == BASE64 and FLOAT in answer.vectors:
        return [packed(value) for value in answer.vectors[FLOAT]]
    raise Malformed(f"The answer has no embeddings as '{encoding}'.")


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def unpacked(value: str) -> list[float]:
    try:
        data = base64.b64decode(value, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (binascii.Error, ValueError, struct.error):
        raise Malformed("An embedding is no base64 of float32.") from None


def a_vector(value: Any) -> Any:
    """A vector of a provider. Raises Malformed."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, list) or not value or not all(type(number) in (float, int) for number in value):
        raise Malformed("An embedding is no list of numbers.")
    return value

"""A question as it is kept beside its answer: what a similar one is checked against before it gets that answer.

Its id (64 bits) is what the index knows. The index is never believed: whose the question is, the rest of its body, its
vector and its features are compared with what stands here.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from operator import mul
from struct import Struct
from typing import NamedTuple

VERSION = 1
_HEAD = Struct("<BBHHHQq32s48s")
HEAD_BYTES = _HEAD.size
KEY_BYTES = 48
SCOPE_BYTES = 16
WORD = 8


class Record(NamedTuple):
    """One question."""

    id: int
    created_ns: int
    """Wall clock."""
    rest: bytes
    """32 bytes: digest of the body without the question, of the model, and of how it was asked."""
    answer_key: bytes
    """48 bytes, under which the answer is kept."""
    text: str
    features: bytes
    """As ``guard`` reads them."""
    vector: bytes
    """float32, little-endian, of length 1."""


def pack(record: Record) -> bytes:
    """As bytes."""
    text = record.text.encode("utf-8", "replace")[:0xFFFF]
    head = _HEAD.pack(
        VERSION,
        0,
        len(text),
        len(record.features),
        len(record.vector),
        record.id,
        record.created_ns,
        record.rest,
        record.answer_key,
    )
    return b"".join((head, text, record.features, record.vector))


def unpack(data: bytes) -> Record | None:
    """None for what another version has kept, or is damaged."""
    if len(data) < HEAD_BYTES:
        return None
    version, _, text_bytes, feature_bytes, vector_bytes, number, created_ns, rest, key = _HEAD.unpack_from(data)
    features_at = HEAD_BYTES + text_bytes
    vector_at = features_at + feature_bytes
    if version != VERSION or vector_at + vector_bytes != len(data):
        return None
    text = data[HEAD_BYTES:features_at].decode("utf-8", "replace")
    return Record(number, created_ns, rest, key, text, data[features_at:vector_at], data[vector_at:])


def id_of(scope: bytes, rest: bytes, text: str) -> int:
    """The same question has the same id, so that it is kept once."""
    digest = hashlib.sha256(b"".join((b"question id\0", scope, rest, text.encode("utf-8", "surrogatepass")))).digest()
    return int.from_bytes(digest[:WORD], "little")


def index_scope(scope: bytes, rest: bytes) -> int:
    """The scope of the index in which such questions are looked for: whose they are, and what they share."""
    return int.from_bytes(hashlib.sha256(b"index\0" + scope + rest).digest()[:WORD], "little")


def question_key(scope: bytes, number: int) -> bytes:
    """Where the record of a question is kept."""
    return scope + hashlib.sha256(b"question\0" + number.to_bytes(WORD, "little")).digest()


def pool_key(embedder: str) -> bytes:
    """Where it is kept what was learned of all answers together; no scope has this beginning. Cosines of different
    embedders do not compare."""
    return bytes(SCOPE_BYTES) + hashlib.sha256(b"pool\0" + embedder.encode()).digest()


def learned_key(scope: bytes, number: int) -> bytes:
    """Where it is kept what was learned of a question's answer."""
    return scope + hashlib.sha256(b"learned\0" + number.to_bytes(WORD, "little")).digest()


def cosine(a: bytes, b: bytes) -> float:
    """Of two vectors of length 1 and of one dimension; 15 us for 384 numbers."""
    one, other = array("f", a), array("f", b)
    if sys.byteorder == "big":
        one.byteswap()
        other.byteswap()
    product: float = sum(map(mul, one, other))
    return product

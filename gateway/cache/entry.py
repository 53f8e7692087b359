"""An answer as it is kept: what is told again, and what it saved.

Little-endian: version, form, lengths, then times and figures, then content type, label lines and body. ``form`` says in
which dialect and operation the body is, and whether it is a stream.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

VERSION = 1
_HEAD = Struct("<BBHHHqqqqq")
HEAD_BYTES = _HEAD.size


class Kept(NamedTuple):
    """An answer out of the cache. Times are of the wall clock, in ns."""

    dialect: int
    operation: int
    streamed: bool
    created_ns: int
    cost_nanodollars: int
    """What it cost when it was made."""
    took_us: int
    """How long its provider took."""
    prompt: int
    completion: int
    content_type: bytes
    labels: bytes
    """Lines of header fields that name provider and model, as ``Target.labels``."""
    body: bytes
    form: int = 0
    """Bits of ``gateway.cache.crossing``; the lowest is ``streamed``."""


def pack(kept: Kept) -> bytes:
    """As bytes."""
    figures = kept.created_ns, kept.cost_nanodollars, kept.took_us, kept.prompt, kept.completion
    labels = kept.labels
    form = kept.form | kept.streamed
    return packed_as(kept.dialect, kept.operation, form, figures, kept.content_type, labels, kept.body)


def packed_as(
    dialect: int,
    operation: int,
    form: int,
    figures: tuple[int, int, int, int, int],
    content_type: bytes,
    labels: bytes,
    body: bytes,
) -> bytes:
    """The same from its parts; ``figures``: when it was made, cost, time, tokens of input and output."""
    what = dialect | operation << 8
    head = _HEAD.pack(VERSION, form, what, len(content_type), len(labels), *figures)
    return b"".join((head, content_type, labels, body))


def unpack(data: bytes) -> Kept | None:
    """None for what another version has kept, or is damaged."""
    if len(data) < HEAD_BYTES:
        return None
    version, form, what, type_bytes, label_bytes, *figures = _HEAD.unpack_from(data)
    created_ns, cost, took_us, prompt, completion = figures
    labels_at = HEAD_BYTES + type_bytes
    body_at = labels_at + label_bytes
    if version != VERSION or body_at > len(data):
        return None
    return Kept(
        what & 255,
        what >> 8,
        bool(form & 1),
        created_ns,
        cost,
        took_us,
        prompt,
        completion,
        data[HEAD_BYTES:labels_at],
        data[labels_at:body_at],
        data[body_at:],
        form,
    )

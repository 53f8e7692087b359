"""What a worker hands to control of what was said: the form of those files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Content(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One request and its answer, as they came, and cut where they are too long."""

    request_id: bytes
    started_us: int
    """As near to that of the record as two readings of the clock are."""
    request: bytes
    response: bytes
    media_type: str
    """Of the response; empty: there was none."""
    request_truncated: bool = False
    response_truncated: bool = False


class Batch(msgspec.Struct, frozen=True, array_like=True):
    contents: list[Content]
    dropped: int = 0
    """Those before these that found no room."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Batch)


def packed(contents: Sequence[Content], dropped: int) -> bytes:
    return _ENCODER.encode(Batch(list(contents), dropped))


def unpacked(data: bytes) -> Batch:
    """Raises msgspec.DecodeError."""
    return _DECODER.decode(data)

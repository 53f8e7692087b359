"""One question of the control process to a provider: its list of models, or whether a key of it works.

Asked as a worker would: the same address, head fields and credential, under the same rules of which addresses may be
reached (``gateway/upstream/dial.py``), over a connection of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

import gateway
from _speedups._chunked import ChunkedBody
from _speedups._head import HeadScan
from gateway.credentials.extras import SIGNING
from gateway.credentials.outcome import REASONS
from gateway.credentials.signing import Signer
from gateway.credentials.source import obtain
from gateway.phases.verdict import decode
from gateway.serving import Upstream
from gateway.snapshot.model import Provider
from gateway.upstream.dial import Dialer
from gateway.upstream.origin import Origin

MOST_HEAD_BYTES = 1 << 16
MOST_BYTES = 8 << 20
"""OpenRouter's list of models, the longest, has 400 KB."""


class Answered(NamedTuple):
    """A provider's answer, its body decoded."""

    status: int
    body: bytes


async def head_of(spec: Provider, key: int, method: bytes, path: str, fields: str = "", body: bytes = b"") -> bytes:
    """The request, whole: what a worker would send with the key of this place. ``fields``: further header lines, each
    ended. Raises ValueError where the key has no token to be sent."""
    origin = Origin.of(spec, allow_private=spec.allow_private)
    upstream = Upstream(spec, None, Place(origin))
    credential = upstream.key_specs[key].credential
    signer = None
    if credential is not None:
        had = await obtain(credential)
        if had.error:
            raise ValueError(REASONS[had.error])
        if credential.type in SIGNING:
            signer = Signer(had, credential.region)
        else:
            upstream.put(key, had.token)
    if body:
        fields += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    fields += f"user-agent: microgate/{gateway.__version__}\r\naccept: application/json\r\nconnection: close\r\n"
    whole = upstream.head(method, path, key) + fields.encode("ascii") + b"\r\n" + body
    return whole if signer is None else signer.sign(whole, origin.scheme)


async def call(dialer: Dialer, spec: Provider, request: bytes) -> Answered:
    """Send it and wait for the whole answer, as long as the caller waits. Raises DialError, and ValueError for an
    answer that is not well-formed."""
    link = _Link()
    transport = await dialer.dial(Origin.of(spec, allow_private=spec.allow_private), lambda: link)
    try:
        transport.write(request)
        return await link.answer
    finally:
        transport.abort()


@dataclass(frozen=True, slots=True)
class Place:
    """The part of a pool that a provider needs of which nothing is asked through it."""

    origin: Origin


class _Link(asyncio.Protocol):
    """One answer, taken apart as it comes; ``answer`` fails with ValueError for what is not well-formed."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._head = bytearray()
        self._scan: HeadScan | None = None
        self._chunks: ChunkedBody | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            if self._scan is None:
                self._take_head(data)
            else:
                self._take_body(self._scan, data)
        except ValueError as error:
            self.answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        scan = self._scan
        if self.answer.done():
            return
        if scan is not None and exc is None and self._chunks is None and scan.content_length < 0:
            # The close is its end (RFC 9112 6.3).
            self._finish(scan)
        else:
            self.answer.set_exception(ValueError("the connection was closed before the answer was complete"))

    def _take_head(self, data: bytes) -> None:
        before = len(self._head)
        self._head += data
        end = self._head.find(b"\r\n\r\n", max(0, before - 3)) + 4
        if end < 4:
            if len(self._head) > MOST_HEAD_BYTES:
                raise ValueError("the answer has too large a head")
            return
        scan = HeadScan()
        if not scan.response(bytes(self._head[:end])):
            raise ValueError(f"not valid HTTP: {scan.why}")
        if scan.transfer_encoding is not None:
            self._chunks = ChunkedBody()
        self._scan = scan
        self._take_body(scan, bytes(self._head[end:]))

    def _take_body(self, scan: HeadScan, data: bytes) -> None:
        chunks = self._chunks
        if chunks is not None:
            data = chunks.feed(data)
            if chunks.broken:
                raise ValueError("the answer is not validly framed")
        self._parts.append(data)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise ValueError(f"the answer is longer than {MOST_BYTES} bytes")
        if chunks.done if chunks is not None else 0 <= scan.content_length <= self._size:
            self._finish(scan)

    def _finish(self, scan: HeadScan) -> None:
        body = b"".join(self._parts)
        coding = scan.content_encoding
        if coding is not None and coding.lower() != b"identity":
            decoded = decode(coding, body)
            if decoded is None:
                self.answer.set_exception(ValueError("the answer is not encoded as it says"))
                return
            body = decoded
        self.answer.set_result(Answered(scan.status, body))

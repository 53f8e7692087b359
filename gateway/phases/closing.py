"""A stream whose budget has ended ends with it: whole, with ``length`` for its reason, in the caller's own dialect.

Where bytes pass as they come, nobody knows what the stream has said so far. So what has passed is kept, up to 64 KiB,
then read; and only when the budget does end, the caller's own encoder is brought to where the stream is and writes its
end. It costs nothing where the request bounds its answer or nobody counts its tokens.
"""

from __future__ import annotations

from _speedups._bytes import chunk
from gateway.exchange import Exchange
from gateway.phases.continuing import events_in
from gateway.phases.cost import reckon
from gateway.phases.settle import settle
from gateway.records import ErrorKind, Outcome
from gateway.translation import Open, Translation
from providers.neutral import Malformed, Usage

KEPT_BYTES = 65_536
LAST_CHUNK = b"0\r\n\r\n"
BUDGET = int(ErrorKind.BUDGET)
OK = int(Outcome.OK)


class Closing:
    """Of one stream that is passed on in the dialect it comes in, as ``Exchange.closing``."""

    def __init__(self, x: Exchange) -> None:
        """Raises Malformed for a request that is none of the dialect's."""
        translation: Translation = x.translation if x.translation is not None else Translation(x)
        self.form = translation.caller.stream_type
        self.decoder = translation.caller.stream_decoder()
        self.encoder = translation.caller.stream_encoder(translation.decoded(x))
        self.kept: list[bytes] = []
        self.size = 0
        self.rest = b""
        self.open = Open()

    def take(self, data: bytes) -> None:
        """``data`` goes out to the caller."""
        self.kept.append(data)
        self.size += len(data)
        if self.size > KEPT_BYTES:
            self.read()

    def read(self) -> None:
        """Take in what was kept, but for an event that is not complete."""
        *events, self.rest = events_in(self.rest + b"".join(self.kept), self.form)
        self.kept, self.size = [], 0
        for event in self.decoder.feed(b"".join(events)):
            self.open.note(event)
            self.encoder.encode(event)

    def ending(self, data: bytes, usage: Usage) -> bytes | None:
        """What of ``data``, which is next, still goes out, and the stream's end; None while an event is half sent."""
        self.take(data)
        self.read()
        if len(self.rest) > len(data):
            return None
        return data[: len(data) - len(self.rest)] + b"".join(map(self.encoder.encode, self.open.closed(usage)))


def listen(x: Exchange, data: bytes) -> None:
    """A stream of ``x`` begins with ``data``: be ready to end it."""
    if x.relayed or x.multipart or (x.translation is not None and not x.translation.same):
        return
    try:
        x.closing = Closing(x)
    except (Malformed, ValueError):
        return
    x.closing.take(data)


def end(x: Exchange, data: bytes) -> bool:
    """End the stream here, where ``data`` was to go out next; False when an event is half sent: behind the next one."""
    reckon(x, True)
    usage = Usage(max(x.prompt, 0), max(x.completion, 0))
    translation: Translation | None = x.translation
    out: bytes | None
    if translation is not None and not translation.same:
        encoder = translation.encoder
        out = None if encoder is None else data + b"".join(map(encoder.encode, translation.open.closed(usage)))
        if out is not None:
            out = translation.framed(out, True)
    elif x.closing is not None:
        out = x.closing.ending(data, usage)
        if out is not None and translation is not None:
            out = translation.framed(out, True)
    else:
        return True
    if out is None:
        x.reckoned = False
        return False
    if x.link is not None:
        x.link.cancel()
    x.error_kind = BUDGET
    settle(x, OK)
    caller = x.caller
    if caller is not None:
        caller.answer(chunk(out) + LAST_CHUNK if x.chunked else out)
        caller.answered(x, True)
    return True

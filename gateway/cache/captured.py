"""What is kept of an answer while its caller is sent it: for the exact cache, and for those who join late.

Parts are kept as they go to the caller, before they are framed for the connection: translated where they are, without
what the gateway hides.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.exchange import Audience, Exchange
from gateway.records import ErrorKind, Outcome

if TYPE_CHECKING:
    from gateway.core import Core
    from gateway.serving import Target

log = logging.getLogger("microgate.cache")

MOST_BYTES = 1 << 20
"""Of one answer, where no cache says how much it takes."""
MOST_BYTES_OF_ALL = 64 << 20
"""Of all answers under way in a worker; beyond that nothing more is kept, and nobody joins."""
OK = int(Outcome.OK)
CLIENT_ABORT = int(Outcome.CLIENT_ABORT)
IN_FULL = frozenset((OK, int(Outcome.UPSTREAM_ERROR), int(Outcome.FAILED_STREAM)))
"""Ends of an answer that has come to its own end."""
BUDGET = int(ErrorKind.BUDGET)
CLIENT_GONE = int(ErrorKind.CLIENT_GONE)
CUT = "The answer broke off."
OUT_OF_BUDGET = "The budget of the key that pays for this answer has ended."


class Kept:
    """Bytes that a worker keeps of answers under way."""

    def __init__(self) -> None:
        self.bytes = 0


class Captured(Audience):
    """One answer. ``gateway.cache.flight.Flight`` adds those who hear it as it comes."""

    def __init__(self, core: Core, kept: Kept, key: bytes, keep: bool) -> None:
        cache = core.cache
        self.core = core
        self.kept = kept
        self.key = key
        self.keep = keep
        """The cache is to have it."""
        self.most: int = MOST_BYTES if cache is None else cache.most_bytes
        self.complete = True
        """Everything that has come is kept."""
        self.parts: list[bytes] = []
        self.base = 0
        """Number of the first part that is kept."""
        self.size = 0
        """Bytes that are kept."""
        self.has_begun = False
        self.at_once = False
        """The answer comes as a whole."""
        self.streamed = False
        """It is a stream of events."""
        self.status = 0
        self.answer_head = b""
        self.media = b""
        """Its content type; empty: ``answer_head`` says it."""
        self.length = -1
        self.target: Target | None = None
        self.gone = False
        """The caller whose request was sent has gone away; others listen."""
        self.shown = 0
        """The status that it had seen by then."""
        self.ended = False
        self.broken = False
        """Its end is none of its own."""
        self.message = CUT
        self.event = b""
        self.error_kind = 0
        self.outcome = 0
        self.last_byte_ns = 0
        self.prompt = -1
        self.completion = -1

    # --- what a flight adds

    def sealed(self, x: Exchange) -> None:
        """The ids in the answer are sealed for the virtual key of ``x``."""
        self.keep = False

    def come(self) -> None:
        """There is more of it."""

    def overflow(self) -> None:
        """It is too long to be kept."""
        self.complete = False
        self.keep = False
        if not self.wanted():
            self.free()

    def wanted(self) -> bool:
        """Whether somebody needs it even so."""
        return False

    # --- told by the exchange

    def begun(self, x: Exchange, length: int) -> None:
        self.has_begun = True
        self.streamed = length < 0 and (x.scan is not None or x.translation is not None)
        self.length = length
        self.status = x.status
        self.answer_head = x.answer_head
        scan = self.core.answer_head
        if scan.head is x.answer_head:
            self.media = scan.content_type or b""
        self.target = x.target
        if x.sealing is not None and getattr(x.sealing, "inner", x.sealing) is not None:
            self.sealed(x)

    def told(self, data: bytes) -> None:
        size = len(data)
        if not size:
            return
        if self.complete and (self.size + size > self.most or self.kept.bytes + size > MOST_BYTES_OF_ALL):
            self.overflow()
        if self.complete or self.wanted():
            self.parts.append(data)
            self.size += size
            self.kept.bytes += size
            self.come()

    def whole(self, x: Exchange, body: bytes) -> None:
        self.begun(x, len(body))
        self.at_once = True
        self.streamed = x.stream and x.translation is not None and not x.translation.same
        self.told(body)

    def cut(self, message: str, event: bytes) -> None:
        self.message = message
        self.event = event

    def ending(self, x: Exchange) -> None:
        self.error_kind = x.error_kind
        if self.gone:
            x.outcome = CLIENT_ABORT
            x.error_kind = CLIENT_GONE
            x.sent_status = self.shown

    def end(self, x: Exchange, outcome: int) -> None:
        """Nothing more comes; hand it to the cache if it is good for that."""
        self.ended = True
        self.outcome = outcome
        self.last_byte_ns = x.last_byte_ns
        self.prompt = x.prompt
        self.completion = x.completion
        if self.error_kind == BUDGET:
            self.broken = True
            self.message = OUT_OF_BUDGET
        elif outcome not in IN_FULL:
            self.broken = True
        self.keep = self.keep and self.core.cache is not None and self.storable(x)
        if self.keep:
            # Behind the last bytes: the caller does not wait for this.
            self.core.loop.call_soon(self.hand_in, x)

    # --- what becomes of it

    def storable(self, x: Exchange) -> bool:
        """Whether the answer is good for whoever asks the same later: it came whole, and says what it took."""
        if self.broken or not self.complete or self.outcome != OK or self.status != 200 or not x.usage_source:
            return False
        if x.joining is not None and x.joining.resumed:
            return False
        scan = x.scan
        return scan is None or (scan.verdict() == 0 and not scan.malformed)

    def hand_in(self, x: Exchange) -> None:
        """Give the answer to the cache."""
        self.keep = False
        cache: Any = self.core.cache
        try:
            body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
            if cache is not None:
                cache.keep(x, self.key, self.media or content_type(self.answer_head), body, self.streamed)
        except Exception:
            log.exception("the answer to request %s can't be kept", x.request_id.decode())
        if not self.wanted():
            self.free()

    def drop(self, until: int) -> None:
        """Forget the parts before number ``until``."""
        count = until - self.base
        if count > 0:
            size = sum(map(len, self.parts[:count]))
            del self.parts[:count]
            self.base = until
            self.size -= size
            self.kept.bytes -= size

    def free(self) -> None:
        self.drop(self.base + len(self.parts))


def content_type(head: bytes) -> bytes:
    """Of an answer whose head this is; empty where it says none."""
    start = head.lower().find(b"\r\ncontent-type:") + 15
    return head[start : head.find(b"\r\n", start)].strip() if start > 14 else b""

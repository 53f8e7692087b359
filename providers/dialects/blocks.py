"""What dialects share whose streams have one choice: parts that come one after the other, and are written so."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from providers.dialects import base
from providers.framing import LineReader, SseReader, TooLong
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    Part,
    PartDelta,
    PartEnd,
    PartStart,
    Start,
    Usage,
)


class Decoder(base.StreamDecoder):
    """Numbers the parts; at most one is open."""

    def __init__(self) -> None:
        self._count = 0
        self._open = -1
        """Number of the open part."""
        self._started = self._ended = self._over = False

    def _begin(self, part: Part, out: list[Event]) -> int:
        self._close(out)
        number = self._open = self._count
        self._count += 1
        out.append(PartStart(0, number, part))
        return number

    def _close(self, out: list[Event]) -> None:
        if self._open >= 0:
            out.append(PartEnd(0, self._open))
            self._open = -1

    def _add(self, part: Part, out: list[Event]) -> None:
        """A part that comes complete."""
        self._begin(part, out)
        self._close(out)

    def _break(self, fault: Fault, out: list[Event]) -> list[Event]:
        self._over = True
        out.append(fault)
        return out

    def _fail(self, out: list[Event], message: str) -> list[Event]:
        return self._break(Fault("server", message, 502), out)

    def _finish(self, out: list[Event]) -> None:
        self._over = True
        out.append(Done())


class TextDecoder(Decoder):
    """Of streams that are server-sent events or lines."""

    def __init__(self, reader: SseReader | LineReader) -> None:
        super().__init__()
        self._reader = reader

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        try:
            pieces: list[Any] = self._reader.feed(data)
        except TooLong as error:
            return self._fail(out, str(error))
        self._pieces(pieces, out)
        return out

    def end(self) -> list[Event]:
        out: list[Event] = []
        if not self._over:
            self._pieces(self._reader.end(), out)
        return out

    def _pieces(self, pieces: list[Any], out: list[Event]) -> None:
        for piece in pieces:
            if not self._over:
                self._piece(piece if isinstance(piece, bytes) else piece.data, out)

    @abstractmethod
    def _piece(self, data: bytes, out: list[Event]) -> None:
        """What an event's data, or a line, says."""


class Encoder(base.StreamEncoder):
    """Shares out the events of the first choice; there is no place for others."""

    def __init__(self) -> None:
        self._usage = Usage()
        self._ended: Ended | None = None

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event) if event.choice == 0 else b""
        if isinstance(event, PartStart):
            return self._begin_part(event.part, event.content) if event.choice == 0 else b""
        if isinstance(event, PartEnd):
            return self._end_part(event.part) if event.choice == 0 else b""
        if isinstance(event, Start):
            return self._start(event)
        if isinstance(event, Ended):
            if event.choice:
                return b""
            self._ended = event
            return self._end(event)
        if isinstance(event, Usage):
            self._usage = event
            return b""
        if isinstance(event, Fault):
            return self._fault(event)
        return self._finish() if isinstance(event, Done) else self._ping()

    def _ping(self) -> bytes:
        return b""

    @abstractmethod
    def _start(self, event: Start) -> bytes: ...

    @abstractmethod
    def _begin_part(self, part: int, content: Part) -> bytes: ...

    @abstractmethod
    def _delta(self, event: PartDelta) -> bytes: ...

    @abstractmethod
    def _end_part(self, part: int) -> bytes: ...

    @abstractmethod
    def _end(self, event: Ended) -> bytes:
        """The choice is complete."""

    @abstractmethod
    def _fault(self, fault: Fault) -> bytes: ...

    @abstractmethod
    def _finish(self) -> bytes: ...

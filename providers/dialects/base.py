"""What a dialect offers: the same eight turns for each, between bytes' values and the neutral form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from providers.neutral import Answer, Event, Fault, Json, Losses, Request


class Facts(NamedTuple):
    """What an encoder has to know of the target."""

    model: str
    vendor: str = ""
    """A row of ``providers.vendors``, for the quirks that dialects share out by vendor."""
    ask_usage: bool = False
    """A stream reports usage only when asked (OpenAI's ``stream_options``)."""


class StreamDecoder(ABC):
    """Reads one stream of a provider. Never raises: what is no stream of its dialect becomes a ``Fault`` (kind
    ``server``), and the stream is over."""

    @abstractmethod
    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, at any split of the bytes."""

    @abstractmethod
    def end(self) -> list[Event]:
        """The connection is closed: what is left. ``Done`` is told once, here or in ``feed``, if the stream came to the
        end that its dialect prescribes, and never if it was cut."""


class StreamEncoder(ABC):
    """Writes one stream to a caller."""

    @abstractmethod
    def encode(self, event: Event) -> bytes:
        """The bytes of an event; empty when the dialect says nothing then. ``Done`` writes the stream's end."""


class WireError(NamedTuple):
    """An error as a caller gets it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Beyond content type and length."""


def wait_fields(fault: Fault) -> tuple[tuple[str, str], ...]:
    """``Retry-After`` of an error that says how long to wait, in whole seconds (RFC 9110 10.2.3)."""
    return (("retry-after", str(max(1, round(fault.retry_after_s)))),) if fault.retry_after_s else ()


class Dialect(ABC):
    """One wire format."""

    name: ClassVar[str]
    """As ``providers.operations.Dialect`` spells it, in small letters."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    """Content type of its streams."""

    @abstractmethod
    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        """A caller's request. ``model`` and ``stream`` are what the path said, for dialects that put them there. Raises
        Malformed, whose message the caller is shown."""

    @abstractmethod
    def encode_request(self, request: Request, facts: Facts, losses: Losses) -> Json:
        """The body for a provider. Raises Unsupported through ``losses``. ``request`` is not changed."""

    @abstractmethod
    def decode_answer(self, body: Json) -> Answer:
        """A provider's whole answer. Raises Malformed."""

    @abstractmethod
    def encode_answer(self, answer: Answer, request: Request) -> Json:
        """The answer for a caller who sent ``request``."""

    @abstractmethod
    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """A provider's error. ``headers`` in small letters. Never raises."""

    @abstractmethod
    def encode_fault(self, fault: Fault) -> WireError:
        """An error as the dialect's SDKs raise it."""

    @abstractmethod
    def stream_decoder(self) -> StreamDecoder: ...

    @abstractmethod
    def stream_encoder(self, request: Request) -> StreamEncoder: ...

    def stream_path(self, path: str) -> tuple[str, str]:
        """Path and query of a streamed request, where they differ from those of a whole one."""
        return path, ""

"""What a file of the fault proxy may say: upstreams, their prices, and the faults their calls meet.

Unknown fields are errors. A fault's ``kind`` says what it is; the first field that its class declares is the one that
``kind:value`` on the command line sets.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from gateway.config.units import Duration, Size, parse_duration, parse_size

Never = Duration(0)
"""Of a time that ends something: it does not come."""

Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in the file."""


class Fault(_Entry, frozen=True, tag_field="kind"):
    """Which calls meet a fault. Only calls that fit ``models``, ``stream``, ``connection`` and the times are counted by
    ``first`` and ``every``; of those that these leave, ``share`` do."""

    share: Annotated[float, Meta(ge=0, le=1, description="Probability.")] = 1.0
    first: Annotated[Count, Meta(description="Only so many calls. 0: all.")] = 0
    every: Annotated[int, Meta(ge=1, description="Only each so-manieth call.")] = 1
    since: Annotated[Duration, Meta(description="Begins so long after the fault was set.")] = Never
    until: Annotated[Duration, Meta(description="Ends so long after the fault was set. 0: never.")] = Never
    models: Annotated[list[str], Meta(description="Only calls for these models. Empty: for all.")] = []
    stream: Annotated[bool | None, Meta(description="Only streams, or only what is none.")] = None
    connection: Annotated[
        Literal["any", "fresh", "reused"], Meta(description="Only a connection's first calls, or only later ones.")
    ] = "any"


class Latency(Fault, frozen=True, kw_only=True, tag="latency"):
    """A wait."""

    main: ClassVar[str] = "delay"
    delay: Annotated[Duration, Meta(description="How long.")]
    jitter: Annotated[Duration, Meta(description="Longer or shorter by up to so much, evenly.")] = Duration(0)
    before: Annotated[
        Literal["head", "first_event", "every_event"], Meta(description="What waits; events are those of streams.")
    ] = "head"


class Bandwidth(Fault, frozen=True, kw_only=True, tag="bandwidth"):
    """An answer that comes no faster than this."""

    main: ClassVar[str] = "rate"
    rate: Annotated[Size, Meta(description="Bytes a second.")]


class SlowClose(Fault, frozen=True, kw_only=True, tag="slow_close"):
    """An answer that says `connection: close`, and the close a while later."""

    main: ClassVar[str] = "delay"
    delay: Duration


class CloseIdle(Fault, frozen=True, kw_only=True, tag="close_idle"):
    """A connection that was to be kept and is closed a while after the answer."""

    main: ClassVar[str] = "delay"
    delay: Duration = Duration(0)


class Timeout(Fault, frozen=True, kw_only=True, tag="timeout"):
    """A request that is taken and never answered."""

    main: ClassVar[str] = "close_after"
    close_after: Annotated[Duration, Meta(description="Then the connection is closed. 0: never.")] = Never


class ResetPeer(Fault, frozen=True, kw_only=True, tag="reset_peer"):
    """A TCP reset."""

    main: ClassVar[str] = "at"
    at: Annotated[
        Literal["before_head", "after_head", "body"],
        Meta(description="body: after `body_bytes` of it and its framing."),
    ] = "before_head"
    body_bytes: Size = Size(0)


class Slicer(Fault, frozen=True, kw_only=True, tag="slicer"):
    """An answer in small pieces."""

    main: ClassVar[str] = "size"
    size: Annotated[Size, Meta(description="Bytes of a piece.")]
    pause: Annotated[Duration, Meta(description="Between two of them.")] = Duration(0)


class LimitData(Fault, frozen=True, kw_only=True, tag="limit_data"):
    """A connection that is closed once so much of the answer, head and all, has left."""

    main: ClassVar[str] = "size"
    size: Size


class Down(_Entry, frozen=True, tag_field="kind", tag="down"):
    """Nobody listens: connections are refused, and those that were open are reset. Of all calls or of none."""

    main: ClassVar[str] = ""
    since: Annotated[Duration, Meta(description="Begins so long after the fault was set.")] = Never
    until: Annotated[Duration, Meta(description="Ends so long after the fault was set. 0: never.")] = Never


class Status(Fault, frozen=True, kw_only=True, tag="status"):
    """An error, with the body that this provider sends."""

    main: ClassVar[str] = "status"
    status: Annotated[int, Meta(ge=400, le=599)]
    retry_after: Annotated[Duration | None, Meta(description="Sent as `Retry-After`, in whole seconds.")] = None
    body: Annotated[str | None, Meta(description="Sent instead of the provider's.")] = None


class ErrorEvent(Fault, frozen=True, kw_only=True, tag="error_event"):
    """An error inside a stream, which then ends. What is no stream is answered with status 500."""

    main: ClassVar[str] = "after"
    after: Annotated[Count, Meta(description="Events before it. 0: in place of the first token.")] = 0


class Cut(Fault, frozen=True, kw_only=True, tag="cut"):
    """A stream that ends before its end. Of what is no stream, half the body is sent."""

    main: ClassVar[str] = "after"
    after: Annotated[Count, Meta(description="Events before it.")] = 2
    how: Annotated[
        Literal["close", "reset", "end"],
        Meta(description="The connection is closed, or reset; end: only the body ends, as if it were whole."),
    ] = "close"


class Stall(Fault, frozen=True, kw_only=True, tag="stall"):
    """Silence inside a stream. What is no stream falls silent behind its head."""

    main: ClassVar[str] = "after"
    after: Annotated[Count, Meta(description="Events before it.")] = 1
    lasts: Annotated[Duration, Meta(description="Then it goes on. 0: never.")] = Never


class Html(Fault, frozen=True, kw_only=True, tag="html"):
    """A page as proxies in front of providers send it."""

    main: ClassVar[str] = "status"
    status: Annotated[int, Meta(ge=200, le=599)] = 502


class Informational(Fault, frozen=True, kw_only=True, tag="informational"):
    """Interim answers before the answer."""

    main: ClassVar[str] = "count"
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    status: Literal[100, 102, 103] = 103


class Duplicate(Fault, frozen=True, kw_only=True, tag="duplicate"):
    """The whole answer once more, which nobody asked for."""

    main: ClassVar[str] = "pause"
    pause: Annotated[Duration, Meta(description="Between the two.")] = Duration(0)


class WrongLength(Fault, frozen=True, kw_only=True, tag="wrong_length"):
    """A content length that is not that of the content; of a stream, the size of its first chunk. Where it is too
    large, the connection is closed behind the content."""

    main: ClassVar[str] = "by"
    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000, description="Bytes said beyond those that come.")] = 10


class Garbage(Fault, frozen=True, kw_only=True, tag="garbage"):
    """A body, or the data of one event of a stream, that is no JSON."""

    main: ClassVar[str] = "what"
    what: Annotated[
        Literal["truncated", "words", "empty", "not_http"],
        Meta(description="Half of it, words instead, nothing; not_http: bytes instead of an answer."),
    ] = "truncated"
    after: Annotated[Count, Meta(description="Events of a stream before it.")] = 0


class Redirect(Fault, frozen=True, kw_only=True, tag="redirect"):
    """An answer that points elsewhere."""

    main: ClassVar[str] = "location"
    location: Annotated[str, Meta(min_length=1, pattern=r"^[\x21-\x7e]+$")]
    status: Literal[301, 302, 303, 307, 308] = 307


CallFault = (
    Latency
    | Bandwidth
    | SlowClose
    | CloseIdle
    | Timeout
    | ResetPeer
    | Slicer
    | LimitData
    | Status
    | ErrorEvent
    | Cut
    | Stall
    | Html
    | Informational
    | Duplicate
    | WrongLength
    | Garbage
    | Redirect
)
AnyFault = CallFault | Down

KINDS: dict[str, type[Any]] = {str(kind.__struct_config__.tag): kind for kind in AnyFault.__args__}
"""``kind`` -> its class."""


class Prices(_Entry, frozen=True):
    """What the meter charges, in nano-dollars (10^-9 dollars) a token: 150 is 0.15 dollars a million."""

    prompt_nanodollars: Count = 0
    completion_nanodollars: Count = 0


class UpstreamEntry(_Entry, frozen=True):
    """One provider."""

    listen: Annotated[
        str | int, Meta(description="Port, or address and port, e.g. 127.0.0.1:9001. 0: any free port.")
    ] = 0
    to: Annotated[str, Meta(description="The provider that is asked. Not given: the proxy plays one.")] = ""
    prices: Prices = Prices()
    faults: list[AnyFault] = []


class Setup(_Entry, frozen=True):
    """The whole file."""

    upstreams: Annotated[dict[str, UpstreamEntry], Meta(description="By name.")]
    control: Annotated[int, Meta(ge=0, le=65535, description="Port of the control API on 127.0.0.1.")] | None = None
    seed: Annotated[int | None, Meta(description="Of the dice behind `share` and `jitter`.")] = None
    id_headers: Annotated[
        tuple[str, ...], Meta(description="Fields of a request that tell one request from another.")
    ] = ("idempotency-key", "x-request-id", "x-client-request-id")


def hook(wanted: type, found: Any) -> Any:
    """Times and sizes as ``msgspec`` meets them. Raises ValueError with words for the operator."""
    if wanted is Duration:
        return parse_duration(found)
    if wanted is Size:
        return parse_size(found)
    raise NotImplementedError(wanted)


def plain(value: Any) -> Any:
    """A struct of this schema as JSON has it, with times in seconds and sizes in bytes."""
    return msgspec.to_builtins(value, enc_hook=_unhook)


def _unhook(value: Any) -> Any:
    return float(value) if isinstance(value, Duration) else int(value)

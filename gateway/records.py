"""What the small integers in a record mean.

Records are stored in rings, spill files and the request log, and outlive the program that wrote them: append
values, never renumber or reuse one. ``.name.lower()`` is the spelling in metrics, the log API and documentation.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

SCHEMA = 1
"""Value of ``Record.schema`` that this program writes."""


class Kind(IntEnum):
    """What a record describes."""

    NONE = 0
    ATTEMPT = 1
    """An upstream attempt that another one followed; may come after its exchange."""
    EXCHANGE = 2
    """One caller's request, written once, when it has ended; its last attempt (if it had one) is told of here."""
    SHADOW = 3
    """A copy of a caller's request at a shadow target of its route; it bears the id of the exchange that it copies. Or,
    with ``Flags.EMBEDDING``, a call for the semantic cache, with an id of its own."""


class Outcome(IntEnum):
    """How an attempt or an exchange ended."""

    NONE = 0
    OK = 1
    """Answered in full with a status under 400."""
    REFUSED = 2
    """Answered by the gateway itself: no credential, a limit, a malformed request, an unknown model."""
    CLIENT_ABORT = 3
    """The caller went away first."""
    UPSTREAM_ERROR = 4
    """The provider answered with an error, which was relayed."""
    UNREACHABLE = 5
    """No answer could be had: connect, TLS or protocol failure before the first byte."""
    TRUNCATED = 6
    """The answer began and was cut before its end."""
    FAILED_STREAM = 7
    """The stream carried an error event."""
    TIMEOUT = 8
    """A deadline ended it."""
    DRAINED = 9
    """Ended because the worker was going down."""
    INTERNAL = 10
    """A fault of the gateway's own."""
    CACHED = 11
    """Answered from the cache, no provider was asked."""
    CANCELLED = 12
    """An attempt given up in favour of another (hedging)."""


class ErrorKind(IntEnum):
    """Why it did not end well; a cause, where ``Outcome`` is the effect."""

    NONE = 0
    BAD_REQUEST = 1
    """Malformed HTTP, JSON or parameters."""
    TOO_LARGE = 2
    UNAUTHENTICATED = 3
    """No credential or an unknown one."""
    FORBIDDEN = 4
    """A known credential that may not do this."""
    NOT_FOUND = 5
    """No such path or object."""
    MODEL_NOT_FOUND = 6
    METHOD = 7
    """Method not allowed, or not supported by the provider."""
    RATE_LIMITED = 8
    """A limit of ours (requests or tokens)."""
    CONCURRENCY = 9
    """A concurrency limit of ours."""
    BUDGET = 10
    NO_KEY = 11
    """Every provider key is cooling or disabled."""
    OVERLOADED = 12
    """Our own queue, connections, memory or spool are full."""
    DNS = 13
    CONNECT = 14
    TLS = 15
    RESET = 16
    """Closed before its answer was complete."""
    PROTOCOL = 17
    """The provider's bytes were not HTTP, or not what they claimed to be."""
    TIMEOUT_CONNECT = 18
    TIMEOUT_FIRST_BYTE = 19
    TIMEOUT_IDLE = 20
    TIMEOUT_TOTAL = 21
    TIMEOUT_BODY = 22
    """The caller sent its request too slowly."""
    TIMEOUT_WRITE = 23
    """The caller read its answer too slowly."""
    UPSTREAM_AUTH = 24
    """401 or 403 from the provider."""
    UPSTREAM_RATE_LIMITED = 25
    UPSTREAM_QUOTA = 26
    """The provider account is out of credit."""
    UPSTREAM_BAD_REQUEST = 27
    UPSTREAM_NOT_FOUND = 28
    UPSTREAM_SERVER = 29
    """5xx from the provider."""
    UPSTREAM_OVERLOADED = 30
    """503 or 529 from the provider."""
    CONTENT_FILTER = 31
    STREAM_ERROR = 32
    """An error event inside a stream."""
    CLIENT_GONE = 33
    DRAINING = 34
    INTERNAL = 35
    UNSUPPORTED = 36
    """The target cannot do what was asked."""
    ANSWER_TOO_LARGE = 37
    CREDENTIAL = 38
    """No token for the provider key could be had from its issuer."""
    TIMEOUT_FIRST_TOKEN = 39
    """The provider's stream had no content in time."""


class UsageSource(IntEnum):
    """Where the token counts come from."""

    NONE = 0
    PROVIDER = 1
    ESTIMATE = 2
    """Counted by the gateway, because the provider did not say."""
    CACHE = 3
    """Those of the stored answer; nothing was spent."""


class CacheVerdict(IntEnum):
    """What the look-up said."""

    NONE = 0
    """No cache is configured for it."""
    BYPASS = 1
    MISS = 2
    HIT = 3
    SIMILAR = 4
    SHARED = 5
    """Joined an equal request in flight."""


class Flags(IntFlag):
    """Bits of ``Record.flags``."""

    NONE = 0
    STREAM_OPTIONS_ADDED = 1
    """``stream_options`` was spliced in to learn the usage."""
    USAGE_HIDDEN = 2
    """The usage-only chunk that this caused was withheld."""
    SUSPICIOUS_USAGE = 4
    """The provider reported impossible counts."""
    FALLBACK = 8
    """Served by (exchange), or sent to (attempt), another target than the first."""
    RETRIED = 16
    REUSED_CONNECTION = 32
    """The upstream connection had served before."""
    PASSTHROUGH = 64
    REPLAYED = 128
    """Posted by the replay after a worker's death."""
    KEEPALIVE = 256
    """The caller's connection had served before."""
    DEMO = 512
    HEDGED = 1024
    """A second attempt beside the first: answered by it (exchange), or it (attempt)."""
    CONTINUED = 2048
    """The stream broke off and went on with another attempt; its tokens are those of all of them."""
    UNPRICED = 8192
    """No price is known for the model: the cost is 0, or what ``unknown_price: estimate`` makes of it."""
    SERVICE_TIER = 16384
    """Charged at the price of the service tier that the answer names."""
    SHADOW = 4096
    """A call of the gateway's own, of which no caller was shown what came back: a copy of a request, sent to a shadow
    target of its route, unless another flag says what else it was."""
    EMBEDDING = 32768
    """Texts that the semantic cache had a provider turn into vectors."""
    UNLOGGED = 65536
    """The caller wants no row of it in the request log; it counts like any other."""
    CONTENT_DECLINED = 131072
    """The caller wants nothing of what was said to be kept."""

"""What an attempt has used, and what that costs: known when its answer has ended, before the books are closed."""

from __future__ import annotations

from _speedups._cost import Rates, in_usd
from _speedups._stream import UsageScan
from gateway.exchange import Exchange
from gateway.phases.service_tier import tier_of
from gateway.pricing import Price
from gateway.records import ErrorKind, Flags, Outcome, UsageSource
from gateway.serving import Target
from providers.neutral import Usage
from providers.operations import Operation

BYTES_PER_TOKEN_BITS = 2
POST = b"POST"
FROM_PROVIDER = int(UsageSource.PROVIDER)
ESTIMATED = int(UsageSource.ESTIMATE)
FROM_CACHE = int(UsageSource.CACHE)
SUSPICIOUS = int(Flags.SUSPICIOUS_USAGE)
UNPRICED = int(Flags.UNPRICED)
SERVICE_TIER = int(Flags.SERVICE_TIER)
COUNT_TOKENS = int(Operation.COUNT_TOKENS)
"""Uses none."""
NO_WORDS = frozenset((int(Operation.EMBEDDINGS), int(Operation.RERANK), int(Operation.MODERATIONS)))
"""Their answers are no tokens of a model's, however long."""
CANCELLED = int(Outcome.CANCELLED)
NO_ANSWER = frozenset((int(ErrorKind.PROTOCOL), int(ErrorKind.STREAM_ERROR)))
"""What came with a good status was no answer: pages, garbage, an error in place of the first event."""
GIVEN_UP = frozenset(
    map(
        int,
        (
            ErrorKind.CLIENT_GONE,
            ErrorKind.TIMEOUT_FIRST_BYTE,
            ErrorKind.TIMEOUT_FIRST_TOKEN,
            ErrorKind.TIMEOUT_IDLE,
            ErrorKind.TIMEOUT_TOTAL,
            ErrorKind.DRAINING,
            ErrorKind.OVERLOADED,
        ),
    )
)
"""It was the gateway who closed the connection, and not for what the provider had done."""
COST = b"x-microgate-cost: "
LINE = b"\r\n"
NOTHING = b"x-microgate-cost: 0\r\n"


def reckon(x: Exchange, cut: bool) -> None:
    """Fill in the tokens of ``x``, where they come from, and their cost; later calls do nothing. ``cut``: the answer
    ended before its end, so that what was said of its tokens may be of its beginning."""
    if x.reckoned:
        return
    x.reckoned = True
    usage = x.usage
    if usage is not None and usage.found:
        x.prompt, x.completion = prompt_of(usage), completion_of(usage)
        x.usage_source = FROM_PROVIDER
        if usage.suspicious:
            x.flags |= SUSPICIOUS
        if x.joining is not None and x.joining.estimated:
            x.usage_source = ESTIMATED
        elif cut and x.completion < spoken(x):
            x.completion = spoken(x)
            x.usage_source = ESTIMATED
    elif x.attempt and x.status < 400 and generates(x) and (answering(x) or left(x)):
        # The provider did not say: sizes stand in, and the record says that they do.
        x.prompt = len(x.body) >> BYTES_PER_TOKEN_BITS if x.target is None else x.target.habit.usual(len(x.body))
        x.completion = 0 if x.operation in NO_WORDS else spoken(x)
        if x.completion < 0:
            x.completion = x.response_bytes >> BYTES_PER_TOKEN_BITS
        x.usage_source = ESTIMATED
    if x.usage_source:
        x.cost = charge(x)


def generates(x: Exchange) -> bool:
    """Whether what was asked for takes tokens: what is fetched, listed or removed has been paid for."""
    entry = x.route
    if x.operation == COUNT_TOKENS or (entry is not None and entry.stateful):
        return False
    return not x.relayed or x.method == POST


def answering(x: Exchange) -> bool:
    """Whether a part of an answer has come, or all of it."""
    return x.status > 0 and x.response_bytes > 0 and (x.head_sent or x.error_kind not in NO_ANSWER)


def left(x: Exchange) -> bool:
    """Whether the provider had a whole request for tokens, and was left before anything of its answer came: it may
    charge for what it had begun."""
    if x.uploading or x.multipart or x.sent_ns == 0 or x.sent_ns < x.asked_ns:
        return False
    entry = x.route
    if entry is None or entry.websocket or not entry.metered:
        return False
    return x.error_kind in GIVEN_UP or x.outcome == CANCELLED


def prompt_of(usage: UsageScan) -> int:
    """Tokens of input; some providers say only how many there were together."""
    if usage.prompt < 0 <= usage.total:
        return usage.total - usage.completion if usage.completion > 0 else usage.total
    return usage.prompt


def completion_of(usage: UsageScan) -> int:
    """Tokens of output. Some providers count those of thoughts apart; the total tells."""
    apart = usage.total - usage.prompt - usage.completion
    if usage.reasoning > 0 and apart == usage.reasoning and usage.prompt >= 0 and usage.completion >= 0:
        return usage.completion + usage.reasoning
    return usage.completion


def priced(rates: Rates, prompt: int, completion: int, usage: UsageScan) -> int:
    """Nano-dollars for tokens of which ``usage`` tells the kinds; their complement where it contradicts itself."""
    return rates.cost(
        prompt,
        completion,
        usage.cached,
        usage.cache_write,
        usage.reasoning,
        usage.audio_in,
        usage.audio_out,
        usage.image_in,
        usage.image_out,
        usage.cache_write_1h,
        usage.cached_audio,
        usage.searches,
    )


def spoken(x: Exchange) -> int:
    """Events of a stream that carried content, each about a token; -1: it is no stream."""
    if x.scan is not None:
        return x.scan.content_events
    if x.translation is not None and x.translation.streaming:
        contents: int = x.translation.contents
        return contents
    return -1


def charge(x: Exchange) -> int:
    """Nano-dollars for the tokens of ``x``."""
    target = x.target
    if target is None:
        return 0
    price = price_of(x, target)
    if not price.known:
        x.flags |= UNPRICED
    rates = price.at(x.done_ns or x.last_byte_ns)
    usage = x.usage
    if price.tiers is not None and x.response_bytes:
        other = price.of_tier(tier_of(x))
        if other is not None:
            rates = other
            x.flags |= SERVICE_TIER
    if x.joining is not None and x.joining.before is not None:
        further: int = x.joining.cost_of_all(x, rates)
        return further
    if x.translation is not None:
        billed: tuple[int, int] | None = x.translation.billed
        if billed is not None:
            return rates.cost(billed[0], billed[1])
    if usage is None or not usage.found:
        return rates.cost(x.prompt, x.completion)
    cost = priced(rates, x.prompt, x.completion, usage)
    if cost < 0:
        # More was said of a part than of the whole: it is cut to it, and the record says so.
        cost = ~cost
        x.flags |= SUSPICIOUS
    return cost


def price_of(x: Exchange, target: Target) -> Price:
    """What ``target`` costs the caller's virtual key."""
    price = target.price
    if price.special is not None and x.principal is not None:
        price = price.of_key(x.principal.id_hash)
    return price


def cost_of(usage: Usage, rates: Rates) -> int:
    """Nano-dollars for tokens in the neutral form."""
    cost = rates.cost(
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        cache_write_1h=usage.cache_write_1h_tokens,
        searches=usage.searches,
    )
    return cost if cost >= 0 else ~cost


def field(x: Exchange) -> bytes:
    """The header field that tells a caller the cost in USD; empty where it is not known for certain."""
    if x.usage_source == FROM_CACHE:
        return NOTHING
    if x.usage_source != FROM_PROVIDER or x.flags & UNPRICED:
        return b""
    return in_usd(COST, x.cost, LINE)

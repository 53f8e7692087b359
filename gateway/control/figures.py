"""Figures of many requests that can be added up: sums, and histograms from which percentiles are told.

A ``Digest`` counts values in buckets whose bounds grow by the ninth root of two: nine an octave, from 4 (what is less
shares one) to 2^30. A percentile is told as the middle of its bucket, so it is within 4 % of the value at that rank;
sums and counts are exact. Digests of different minutes, models or gateways have the same buckets: adding their counts
is adding up the requests.

Packed, a figure takes some 60 to 200 bytes: numbers of seven bits a byte (LEB128), of the digests only buckets that
something fell into.

Compiled with the types in ``figures.pxd``.
"""

from __future__ import annotations

import msgspec

from gateway.control.trail import Values
from gateway.records import CacheVerdict, Flags, Outcome
from gateway.stores.protocols import LogRow

BUCKETS = 254
PER_OCTAVE = 9
LOOKED_UP = 2048
TOP = 1 << 30
"""What is more counts as this: 18 minutes in microseconds."""


def _edge(bucket: int) -> float:
    return float(4.0 * 2.0 ** ((bucket - 1) / PER_OCTAVE))


def _small() -> bytearray:
    """The bucket of each value below ``LOOKED_UP``."""
    bucket, found = 1, bytearray(LOOKED_UP)
    for value in range(4, LOOKED_UP):
        while value >= _edge(bucket + 1):
            bucket += 1
        found[value] = bucket
    return found


SMALL = _small()
MIDDLES = (2.0, *(2 * _edge(at) * _edge(at + 1) / (_edge(at) + _edge(at + 1)) for at in range(1, BUCKETS)))
"""What stands for a bucket: equally far, in proportion, from both of its bounds."""

# Places of a record's values.
_place = LogRow._fields.index
TOKENS, COST = _place("prompt_tokens"), _place("cost_nanodollars")
GATEWAY_US, TTFT_US, TOTAL_US = _place("gateway_us"), _place("ttft_us"), _place("total_us")
REQUEST_BYTES, RESPONSE_BYTES = _place("request_bytes"), _place("response_bytes")
FLAGS, STATUS, ATTEMPT, ATTEMPTS = _place("flags"), _place("status"), _place("attempt"), _place("attempts")
STREAM, OUTCOME, CACHE_VERDICT = _place("stream"), _place("outcome"), _place("cache_verdict")

FALLBACK = int(Flags.FALLBACK)
OK, REFUSED = int(Outcome.OK), int(Outcome.REFUSED)
HIT, SIMILAR, SHARED = int(CacheVerdict.HIT), int(CacheVerdict.SIMILAR), int(CacheVerdict.SHARED)


class Spread(msgspec.Struct):
    """How values are spread."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


def put(out: bytearray, value: int) -> None:
    """Append a number; none is negative."""
    while value > 127:
        out.append((value & 127) | 128)
        value >>= 7
    out.append(value)


class Reader:
    """Numbers of packed data, from ``at`` on. Raises IndexError behind its end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        at = self.at
        byte = self.data[at]
        while byte > 127:
            value |= (byte & 127) << shift
            shift += 7
            at += 1
            byte = self.data[at]
        self.at = at + 1
        return value | (byte << shift)


class Digest:
    """How many values fell into which bucket, their number and their sum."""

    __slots__ = ("count", "first", "high", "last", "low", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.first = BUCKETS
        self.last = -1
        """Between these are all that something fell into: most digests have few values."""
        self.low = bytearray(BUCKETS)
        """How many fell into each, modulo 256..."""
        self.high: list[int] | None = None
        """...and how many times 256; a list only where there were so many."""

    def add(self, value: int) -> None:
        """Count a value; one below 0 counts as 0."""
        if value < 0:
            value = 0
        self.total += value
        self.count += 1
        if value > TOP:
            value = TOP
        above = 0
        if value >= 1048576:
            value >>= 10
            above = 90
        while value >= LOOKED_UP:
            value >>= 1
            above += PER_OCTAVE
        self.fill(SMALL[value] + above, 1)

    def fill(self, bucket: int, count: int) -> None:
        if bucket < self.first:
            self.first = bucket
        if bucket > self.last:
            self.last = bucket
        count += self.low[bucket]
        self.low[bucket] = count & 255
        if count > 255:
            if self.high is None:
                self.high = [0] * BUCKETS
            self.high[bucket] += count >> 8

    def within(self, bucket: int) -> int:
        """How many fell into it."""
        count = self.low[bucket]
        if self.high is not None:
            count += self.high[bucket] << 8
        return count

    def merge(self, other: Digest) -> None:
        """Add what another one counted."""
        self.count += other.count
        self.total += other.total
        for bucket in range(other.first, other.last + 1):
            count = other.within(bucket)
            if count:
                self.fill(bucket, count)

    def pack(self, out: bytearray) -> None:
        if not self.count:
            out.append(0)
            return
        number = 0
        for bucket in range(self.first, self.last + 1):
            if self.within(bucket):
                number += 1
        put(out, number)
        put(out, self.total)
        for bucket in range(self.first, self.last + 1):
            count = self.within(bucket)
            if count:
                out.append(bucket)
                put(out, count)

    def unpack(self, reader: Reader) -> None:
        """Add what is packed at the reader's place."""
        left = reader.number()
        if not left:
            return
        self.total += reader.number()
        while left:
            left -= 1
            bucket = reader.byte()
            count = reader.number()
            self.count += count
            self.fill(bucket, count)

    def spread(self, unit: float = 1.0) -> Spread | None:
        """In ``unit`` of what was counted; None when nothing was."""
        if not self.count:
            return None
        ranks = [max(1, -(-self.count * share // 100)) for share in (50, 90, 95, 99)]
        told: list[float] = []
        running = bucket = 0
        for rank in ranks:
            while running < rank and bucket < BUCKETS:
                running += self.within(bucket)
                bucket += 1
            told.append(round(MIDDLES[bucket - 1] / unit, 3))
        return Spread(self.count, round(self.total / self.count / unit, 3), *told)


class Figures:
    """What requests came to."""

    __slots__ = (
        "cache_hits", "cached", "completion", "cost", "duration", "errors", "fallbacks", "overhead", "prompt",
        "reasoning", "received", "refused", "requests", "retries", "saved", "sent", "shared", "similar_hits", "speed",
        "ttft",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.errors = self.refused = self.cache_hits = self.similar_hits = self.shared = 0
        self.fallbacks = self.retries = self.prompt = self.completion = self.cached = self.reasoning = 0
        self.cost = self.saved = self.received = self.sent = 0
        self.duration = Digest()
        self.ttft: Digest | None = None
        self.overhead = Digest()
        self.speed: Digest | None = None

    def add(self, values: Values, at: int) -> None:
        """Count the exchange whose values begin ``at`` there."""
        self.requests += 1
        status = values[at + STATUS]
        if status >= 400 or status == 0:
            self.errors += 1
        outcome = values[at + OUTCOME]
        if outcome == REFUSED:
            self.refused += 1
        verdict = values[at + CACHE_VERDICT]
        if verdict == HIT:
            self.cache_hits += 1
        elif verdict == SIMILAR:
            self.similar_hits += 1
        elif verdict == SHARED:
            self.shared += 1
        flags, attempts = values[at + FLAGS], values[at + ATTEMPTS]
        if flags & FALLBACK:
            self.fallbacks += 1
        if attempts > 1:
            self.retries += attempts - 1
        received, sent, cost = values[at + REQUEST_BYTES], values[at + RESPONSE_BYTES], values[at + COST]
        self.received += received
        self.sent += sent
        self.cost += cost
        total_us, gateway_us = values[at + TOTAL_US], values[at + GATEWAY_US]
        self.duration.add(total_us)
        self.overhead.add(gateway_us)
        stream = values[at + STREAM]
        ttft_us = 0
        if stream:
            ttft_us = values[at + TTFT_US]
            if ttft_us:
                if self.ttft is None:
                    self.ttft = Digest()
                self.ttft.add(ttft_us)
        prompt, completion = values[at + TOKENS], values[at + TOKENS + 1]
        if prompt or completion:
            cached, reasoning = values[at + TOKENS + 2], values[at + TOKENS + 4]
            self.prompt += prompt
            self.completion += completion
            self.cached += cached
            self.reasoning += reasoning
            attempt = values[at + ATTEMPT]
            took_us = total_us - ttft_us
            if completion > 1 and attempt and outcome == OK and took_us > 0:
                if self.speed is None:
                    self.speed = Digest()
                self.speed.add(completion * 1000000000 // took_us)

    def charge(self, cost_nanodollars: int) -> None:
        """A cost that belongs to no further request."""
        self.cost += cost_nanodollars

    def merge(self, other: Figures) -> None:
        """Add what another one counted."""
        self.requests += other.requests
        self.errors += other.errors
        self.refused += other.refused
        self.cache_hits += other.cache_hits
        self.similar_hits += other.similar_hits
        self.shared += other.shared
        self.fallbacks += other.fallbacks
        self.retries += other.retries
        self.prompt += other.prompt
        self.completion += other.completion
        self.cached += other.cached
        self.reasoning += other.reasoning
        self.cost += other.cost
        self.saved += other.saved
        self.received += other.received
        self.sent += other.sent
        self.duration.merge(other.duration)
        self.overhead.merge(other.overhead)
        if other.ttft is not None:
            if self.ttft is None:
                self.ttft = Digest()
            self.ttft.merge(other.ttft)
        if other.speed is not None:
            if self.speed is None:
                self.speed = Digest()
            self.speed.merge(other.speed)

    def pack(self, out: bytearray) -> None:
        """Append it to ``out``."""
        put(out, self.requests)
        put(out, self.errors)
        put(out, self.refused)
        put(out, self.cache_hits)
        put(out, self.similar_hits)
        put(out, self.shared)
        put(out, self.fallbacks)
        put(out, self.retries)
        put(out, self.prompt)
        put(out, self.completion)
        put(out, self.cached)
        put(out, self.reasoning)
        put(out, self.cost)
        put(out, self.saved)
        put(out, self.received)
        put(out, self.sent)
        self.duration.pack(out)
        self.overhead.pack(out)
        if self.ttft is None:
            out.append(0)
        else:
            self.ttft.pack(out)
        if self.speed is None:
            out.append(0)
        else:
            self.speed.pack(out)

    def unpack(self, reader: Reader) -> None:
        """Add what is packed at the reader's place, and leave the reader behind it."""
        self.requests += reader.number()
        self.errors += reader.number()
        self.refused += reader.number()
        self.cache_hits += reader.number()
        self.similar_hits += reader.number()
        self.shared += reader.number()
        self.fallbacks += reader.number()
        self.retries += reader.number()
        self.prompt += reader.number()
        self.completion += reader.number()
        self.cached += reader.number()
        self.reasoning += reader.number()
        self.cost += reader.number()
        self.saved += reader.number()
        self.received += reader.number()
        self.sent += reader.number()
        self.duration.unpack(reader)
        self.overhead.unpack(reader)
        if self.ttft is None:
            self.ttft = Digest()
        self.ttft.unpack(reader)
        if self.speed is None:
            self.speed = Digest()
        self.speed.unpack(reader)

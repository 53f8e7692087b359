"""Pure twin of ``_affinity.pyx``: which key holds a prompt's prefix warm. The contract is ``_affinity.pyi``.

The table is the same bytes as in C; digests are BLAKE2 here, which is what is fast without C, so the two builds do not
find each other's prefixes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

BLOCK_BYTES: Final = 1024
PROMPT_BYTES: Final = 1 << 20
MAX_KEYS: Final = 64
BLOCKS_PER_STEP: Final = 16
"""A block grows to twice its size whenever this many of it lie before it."""

TIME_BITS: Final = 27
TIME_MASK: Final = (1 << 25) - 1
TOKEN_BITS: Final = 40
TOKENS: Final = (1 << TOKEN_BITS) - 1
LOAD_TIME: Final = (1 << 23) - 1
AHEAD: Final = 64
"""Units that another worker's reading of the clock may be ahead."""
PRESENT: Final = 1 << 31
HOLDERS: Final = 6
WAYS: Final = 4
WORDS: Final = 8
"""32-bit words of an entry: two of digest, six of holders."""
LOADS_BYTES: Final = 8 * MAX_KEYS
WHOLE: Final = (1 << 64) - 1
LONGEST_TTL_NS: Final = 1 << (TIME_BITS + 24)


_PARTS: Final = {
    b"tools": 0, b"toolConfig": 0,
    b"system": 1, b"instructions": 1, b"systemInstruction": 1, b"system_instruction": 1,
    b"messages": 2, b"input": 2, b"contents": 2, b"prompt": 2,
}  # fmt: skip
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)
_BLANKS: Final = b" \t\r\n"


def _behind_value(body: bytes, at: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(body, at):
        mark = token[0][:1]
        if not depth and mark in b",}]":
            return token.start()
        depth += (mark in b"{[") - (mark in b"}]")
    return len(body)


def _behind_string(body: bytes, at: int) -> int:
    """``at``: behind the opening quote."""
    token = _TOKEN.match(body, at - 1)
    return len(body) if token is None else token.end()


def prompt(body: bytes) -> bytes:
    found = [b"", b"", b""]
    at, end = body.find(b"{"), len(body)
    while 0 <= at < end:
        name = body.find(b'"', at) + 1
        if not name or name >= end:
            break
        at = _behind_string(body, name)
        part = _PARTS.get(body[name : at - 1])
        at = body.find(b":", at) + 1
        if not at:
            break
        while at < end and body[at] in _BLANKS:
            at += 1
        value, at = at, _behind_value(body, at)
        if part is not None:
            found[part] = body[value:at]
    return b"".join(found)[:PROMPT_BYTES]


def digests(body: bytes, start: int, end: int, seed: int = 0) -> bytes:
    start = max(start, 0)
    size = min(min(end, len(body)) - start, PROMPT_BYTES)
    state = blake2b(digest_size=8, key=seed.to_bytes(8, "little"))
    view = memoryview(body)[start:]
    words = []
    at, step = 0, BLOCK_BYTES
    while at + step <= size:
        state.update(view[at : at + step])
        at += step
        words.append(state.digest())
        if at == BLOCKS_PER_STEP * step:
            step *= 2
    return b"".join(words)


def _buckets(entries: int) -> int:
    return 1 << max(0, (max(entries, 1) - 1) // WAYS).bit_length()


def memory_bytes(entries: int) -> int:
    return LOADS_BYTES + 4 * WORDS * WAYS * _buckets(entries)


def settings_of(
    keys: int,
    ttl_ns: int,
    weights: Sequence[int] | None,
    identities: Sequence[int] | None,
    entries: int,
    spill: float,
    agreement: float,
    load_ns: int,
    memory: Any,
) -> tuple[Sequence[int], list[int], memoryview, int]:
    """Weights, scrambled identities, memory and number of buckets, for both twins; judges what was given."""
    if not 0 <= keys <= MAX_KEYS:
        raise ValueError(f"a provider can have {MAX_KEYS} keys, got {keys}")
    weights = [1] * keys if weights is None else weights
    identities = range(keys) if identities is None else identities
    if len(weights) != keys or len(identities) != keys:
        raise ValueError("one weight and one identity a key")
    if any(weight < 0 for weight in weights):
        raise ValueError("a key's weight must not be negative")
    if not 0 < ttl_ns < LONGEST_TTL_NS or not 0 < load_ns < LONGEST_TTL_NS:
        raise ValueError("times must be positive and below 26 days")
    if spill < 0 or agreement < 0 or not 1 <= entries <= 1 << 28:
        raise ValueError("spill and agreement must not be negative, entries at least one")
    needed = memory_bytes(entries)
    view = memoryview(bytearray(needed) if memory is None else memory).cast("B")
    if view.nbytes < needed or view.readonly:
        raise ValueError(f"the memory must have {needed} bytes that can be written")
    return weights, [scramble(identity & WHOLE) for identity in identities], view[:needed], _buckets(entries)


def scramble(z: int) -> int:
    """splitmix64's output function."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & WHOLE
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & WHOLE
    return z ^ (z >> 31)


def _age(holder: int, time: int) -> int:
    age = (time - (holder >> 6)) & TIME_MASK
    return 0 if age > TIME_MASK - AHEAD else age


class Affinity:
    __slots__ = (
        "_agreement",
        "_buckets_mask",
        "_count",
        "_digests",
        "_fade",
        "_holders",
        "_identities",
        "_loads",
        "_spill",
        "_ttl",
        "_weighted",
        "_weights",
    )

    def __init__(
        self,
        keys: int,
        ttl_ns: int = 300_000_000_000,
        *,
        weights: Sequence[int] | None = None,
        identities: Sequence[int] | None = None,
        entries: int = 65_536,
        spill: float = 0.5,
        agreement: float = 0.0,
        load_ns: int = 30_000_000_000,
        memory: Any = None,
    ) -> None:
        weights, self._identities, view, buckets = settings_of(
            keys, ttl_ns, weights, identities, entries, spill, agreement, load_ns, memory
        )
        self._count = keys
        self._weights = [float(weight) for weight in weights]
        self._weighted = sum(1 << key for key, weight in enumerate(weights) if weight)
        self._ttl = ttl_ns >> TIME_BITS
        self._spill = spill
        self._agreement = agreement
        self._fade = (1 << TIME_BITS) / load_ns
        self._buckets_mask = buckets - 1
        self._loads = view[:LOADS_BYTES].cast("Q")
        self._digests = view[LOADS_BYTES:].cast("Q")
        self._holders = view[LOADS_BYTES:].cast("I")

    def __len__(self) -> int:
        return self._count

    def _load(self, key: int, time: int) -> float:
        seen = self._loads[key]
        age = (time - (seen >> TOKEN_BITS)) & LOAD_TIME
        if age > LOAD_TIME - AHEAD:
            age = 0
        halvings = age * self._fade
        if halvings >= 60:
            return 0.0
        whole = int(halvings)
        # Straight between two halvings: the same in both twins to the last bit, which exp() of two libraries is not.
        return (seen & TOKENS) * (1 - (halvings - whole) / 2) / (1 << whole)

    def _find(self, digest: int) -> int:
        """Number of the entry; -1: none."""
        first = (digest & self._buckets_mask) * WAYS
        for entry in range(first, first + WAYS):
            if self._digests[entry * (WORDS // 2)] == digest:
                return entry
        return -1

    def _held(self, entry: int) -> list[int]:
        at = entry * WORDS + 2
        return self._holders[at : at + HOLDERS].tolist()

    def _warm(self, entry: int, time: int) -> int:
        keys = 0
        for holder in self._held(entry):
            if holder and _age(holder, time) <= self._ttl:
                keys |= 1 << (holder & 63)
        return keys

    def choose(self, chain: bytes, mask: int, now_ns: int) -> int:
        mask &= self._weighted
        words = _words(chain)
        if not words or not mask:
            return -1
        if not mask & (mask - 1):
            return mask.bit_length() - 1
        time = now_ns >> TIME_BITS
        keys = [key for key in range(self._count) if mask >> key & 1]
        loads = {key: self._load(key, time) for key in keys}
        total = weight = 0.0
        for key in keys:
            total += loads[key]
            weight += self._weights[key]
        warm = dict.fromkeys(keys, 0)
        undecided, at, popular = mask, len(words), 0
        while at and (undecided or not popular):
            entry = self._find(words[at - 1])
            if entry >= 0:
                holders = self._warm(entry, time)
                if not popular and holders & (holders - 1):
                    popular = at
                for key in keys:
                    if (holders & undecided) >> key & 1:
                        warm[key] = at
                undecided &= ~holders
            at -= 1
        seed = words[min(popular, len(words) - 1)]
        ranks = {key: self._rank(key, seed) for key in keys}
        home = max(keys, key=ranks.__getitem__)
        best, lowest = -1, 0.0
        for key in keys:
            cost = -self._spill * warm[key] / len(words)
            if total:
                cost += loads[key] * weight / (self._weights[key] * total)
            if key == home and popular < len(words):
                cost -= self._agreement
            if best < 0 or cost < lowest or (cost == lowest and ranks[key] > ranks[best]):
                best, lowest = key, cost
        return best

    def _rank(self, key: int, seed: int) -> float:
        """Weighted rendezvous: the highest rank falls to a key as often as its weight says."""
        draw = ((scramble(seed ^ self._identities[key]) >> 11) + 0.5) / 9007199254740992.0
        return self._weights[key] / -math.log(draw)

    def used(self, chain: bytes, key: int, tokens: int, now_ns: int) -> None:
        if not 0 <= key < self._count:
            raise IndexError(f"key {key} does not exist")
        time = now_ns >> TIME_BITS
        load = min(TOKENS, int(self._load(key, time)) + max(0, min(tokens, TOKENS)))
        self._loads[key] = (time & LOAD_TIME) << TOKEN_BITS | load
        for digest in _words(chain):
            self._note(digest, key, time)

    def _note(self, digest: int, key: int, time: int) -> None:
        entry = self._find(digest)
        if entry < 0:
            first = (digest & self._buckets_mask) * WAYS
            entry, oldest = first, 0
            for other in range(first, first + WAYS):
                age = min((_age(holder, time) for holder in self._held(other) if holder), default=TIME_MASK + 1)
                if age > oldest:
                    entry, oldest = other, age
            for at in range(entry * WORDS + 2, (entry + 1) * WORDS):
                self._holders[at] = 0
            self._digests[entry * (WORDS // 2)] = digest
        place, oldest = 0, 0
        for at, holder in enumerate(self._held(entry)):
            if holder and holder & 63 == key:
                place = at
                break
            age = _age(holder, time) if holder else TIME_MASK + 1
            if age > oldest:
                place, oldest = at, age
        self._holders[entry * WORDS + 2 + place] = PRESENT | (time & TIME_MASK) << 6 | key

    def warm(self, chain: bytes, key: int, now_ns: int) -> int:
        if not 0 <= key < self._count:
            raise IndexError(f"key {key} does not exist")
        words, time = _words(chain), now_ns >> TIME_BITS
        for at in range(len(words), 0, -1):
            entry = self._find(words[at - 1])
            if entry >= 0 and self._warm(entry, time) >> key & 1:
                return at
        return 0


def _words(chain: bytes) -> list[int]:
    return memoryview(chain)[: len(chain) // 8 * 8].cast("Q").tolist()

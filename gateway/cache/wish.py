"""What a caller says about the cache, in ``x-microgate-cache`` header fields: whether to use it, for how long an answer
is good, and whom it is shared with.

A caller can only ask for less than the configuration and its virtual key allow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.errors import GatewayError, Response, refuse

if TYPE_CHECKING:
    from _speedups._head import HeadScan
    from gateway.exchange import Exchange

READ = 1
WRITE = 2
EXPLAIN = b"explain"
POLICIES = {b"off": 0, b"read": READ, b"write": WRITE, b"refresh": WRITE, b"on": READ | WRITE, EXPLAIN: READ | WRITE}
"""``refresh``: what ``write`` says, as those call it who want a fresh answer to take the place of what is kept.
``explain``: the answer is what the cache would say, and no provider is asked."""
CACHE = b"x-microgate-cache"
TTL = b"x-microgate-cache-ttl"
SCOPE = b"x-microgate-cache-scope"
LEVELS = (b"key", b"team", b"customer", b"all")
MOST_PARTITION_BYTES = 128
_TIME = re.compile(rb"([0-9]{1,9})[ \t]*(ms|s|m|h|d)?")
_SECONDS = {None: 1.0, b"ms": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86400.0}


class Wish:
    """Of one request."""

    __slots__ = ("explain", "level", "partition", "policy", "ttl_ns")

    def __init__(self) -> None:
        self.policy = READ | WRITE
        self.explain = False
        self.ttl_ns = 0
        """0: as configured. An older answer is not taken, and the new one is kept no longer."""
        self.level = -1
        """Index in ``LEVELS``; -1: as configured."""
        self.partition = b""
        """Answers are shared only with requests that name the same one."""


def take_wish(x: Exchange, scan: HeadScan) -> Response | None:
    """Set ``x.wish`` from the head that ``scan`` has just judged; a refusal of what can't be meant: who asks for
    something and gets something else would find out late."""
    asked, ttl, scope = scan.value_of(CACHE), scan.value_of(TTL), scan.value_of(SCOPE)
    if asked is None and ttl is None and scope is None:
        return None
    wish = Wish()
    if asked is not None:
        policy = POLICIES.get(asked.lower())
        if policy is None:
            return bad(x, CACHE, "off, read, write, refresh, on or explain", asked)
        wish.policy = policy
        wish.explain = asked.lower() == EXPLAIN
    if ttl is not None:
        found = _TIME.fullmatch(ttl)
        wish.ttl_ns = int(float(found[1]) * _SECONDS[found[2]] * 1e9) if found else 0
        if wish.ttl_ns <= 0:
            return bad(x, TTL, "a time above 0, as 90 (seconds) or 5m", ttl)
    if scope is not None:
        if scope in LEVELS:
            wish.level = LEVELS.index(scope)
        elif not scope or len(scope) > MOST_PARTITION_BYTES:
            return bad(x, SCOPE, f"key, team, customer, all or a name of at most {MOST_PARTITION_BYTES} bytes", scope)
        else:
            wish.partition = scope
    x.wish = wish
    return None


def take_nothing(x: Exchange, scan: HeadScan) -> Response | None:
    """Without a cache these fields say nothing; but who wants an explanation does not want to pay a provider."""
    if (scan.value_of(CACHE) or b"").lower() != EXPLAIN:
        return None
    error = GatewayError("bad_request", "No cache is configured here.", param=CACHE.decode())
    return refuse(error, x.request_id.decode())


def bad(x: Exchange, name: bytes, wanted: str, said: bytes) -> Response:
    shown = said[:32].decode("latin-1")
    error = GatewayError("bad_request", f"{name.decode()} is to be {wanted}, not '{shown}'.", param=name.decode())
    return refuse(error, x.request_id.decode())

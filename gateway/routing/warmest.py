"""Which key is better than a draw by weight: the session's, or the one that holds the beginning of the prompt warm."""

from __future__ import annotations

from _speedups._affinity import digests, prompt
from _speedups._bytes import monotonic_ns
from gateway.exchange import Exchange
from gateway.serving import Target, Upstream
from providers.operations import Operation

BYTES_PER_TOKEN_BITS = 2
CHAT = int(Operation.CHAT)
RESPONSES = int(Operation.RESPONSES)
COMPLETIONS = int(Operation.COMPLETIONS)
INVOKE = int(Operation.INVOKE)
ONE = 1
"""Where it is compiled, as wide as a mask."""


def preferred(x: Exchange, target: Target, mask: int, now_ns: int) -> int:
    """``mask`` cut to the key of it that is to be asked; all of it when any will do."""
    if x.session:
        mask = target.upstream.narrowed(x.session, mask, now_ns)
    if target.upstream.affinity is not None:
        mask = warmest(x, target, mask, now_ns)
    return mask


def warmest(x: Exchange, target: Target, mask: int, now_ns: int) -> int:
    """Likewise by the prompt, among the keys that are well and can be sent with. Remembers its chain for ``sent``."""
    upstream = target.upstream
    affinity = upstream.affinity
    operation = x.operation
    x.chain = None
    if affinity is None or x.relayed or x.uploading:
        return mask
    if operation != CHAT and operation != RESPONSES and operation != COMPLETIONS and operation != INVOKE:
        return mask
    text = prompt(x.body)
    chain = digests(text, 0, len(text), target.seed)
    x.chain = chain
    keys = upstream.keys
    ready = mask
    left = mask
    index = 0
    while left:
        if left & 1 and not keys.usable(index, now_ns):
            ready &= ~(ONE << index)
        left >>= 1
        index += 1
    if upstream.credentials is not None:
        ready = upstream.credentials.usable(ready, now_ns)[0]
    key = affinity.choose(chain, ready, now_ns)
    if key < 0:
        return mask
    if x.trail is not None:
        x.trail.warm = True
    return ONE << key


def sent(x: Exchange, upstream: Upstream) -> None:
    """The request is written with ``x.key``: that key holds its prompt warm from now on, and has that much to do."""
    affinity = upstream.affinity
    chain = x.chain
    if affinity is not None and chain is not None:
        affinity.used(chain, x.key, len(x.body) >> BYTES_PER_TOKEN_BITS, monotonic_ns())

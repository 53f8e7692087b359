"""Prompt-cache affinity: requests that share a prefix go to the key whose account holds it warm.

Providers cache prompts by account. With several keys and a draw by weight, a conversation's next turn mostly goes to an
account that never saw the ones before; with 8 keys, a cache that could be hit in 29 of 100 blocks is hit in 9
(bench/RESULTS.md). The table and the choice are ``_speedups._affinity``; here is what is compared of a body, and the
memory that the workers of a machine share. Bytes only decide what is taken to be alike: a body read wrongly is sent to
another key, never changed.

Without shared memory each worker has a table of its own, in which it does not find what others sent. Then a new prefix
is given to a key by its digest (``agreement``), so that workers and hosts agree without talking; the load is spread
less evenly, because what one of them moves to an idle key the others do not find.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Sequence
from hashlib import blake2b

from _speedups._affinity import Affinity, memory_bytes

TTL_NS = 300_000_000_000
"""How long OpenAI and Anthropic keep a prompt after its last use."""

ENTRIES = 65_536
"""Prefixes remembered for one provider, in 2 MiB: five minutes of 200 requests a minute with 24 new prefixes each, more
than twice over."""

AGREEMENT = 1.0
"""Without shared memory; measured in bench/RESULTS.md."""

LAYOUT = 1
"""Of the table in shared memory; part of its name."""

_HEAD_BYTES = 4096
"""Members before the prompt are short: parameters, the model, metadata."""

_PROMPT = re.compile(
    rb'"(?:messages|system|tools|input|instructions|prompt|contents|system_?[iI]nstruction|toolConfig)"[ \t\r\n]*:'
)


def prompt_start(body: bytes) -> int:
    """Where the prompt begins in a JSON body, in any dialect: its first member that is tools, instructions or messages.
    0 when there is none among the first 4 KiB."""
    found = _PROMPT.search(body, 0, _HEAD_BYTES)
    return found.start() if found else 0


def shared(directory: str, provider: int, identities: Sequence[int], entries: int = ENTRIES) -> mmap.mmap:
    """The memory of a provider's table, which all workers of this machine map; empty when nobody had it before.

    directory: the instance's own on tmpfs. provider: hash of the provider's id. identities: hashes of its keys' ids, in
    order: with other keys it is another table, and the file of the one before goes away once nobody maps it.
    Raises OSError where there is no room.
    """
    size = memory_bytes(entries)
    described = b"".join(word.to_bytes(8, "little") for word in (LAYOUT, size, *identities))
    family = f"affinity-{provider:016x}-"
    name = family + blake2b(described, digest_size=8).hexdigest()
    # Whoever comes first makes it; making it twice is the same, since an empty table is all zeros.
    fd = os.open(os.path.join(directory, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)  # a full disk is an error here, not a signal later
        memory = mmap.mmap(fd, size)
    finally:
        os.close(fd)
    for other in os.listdir(directory):
        if other.startswith(family) and other != name:
            try:
                os.unlink(os.path.join(directory, other))
            except FileNotFoundError:
                continue  # another worker was faster
    return memory


def affinity_of(
    directory: str,
    provider: int,
    identities: Sequence[int],
    weights: Sequence[int],
    *,
    ttl_ns: int = TTL_NS,
    spill: float = 0.5,
    entries: int = ENTRIES,
) -> Affinity:
    """The affinity of one provider's keys, over memory shared by the machine's workers; ``directory`` "": of its own.
    Raises OSError as ``shared`` does, ValueError as ``Affinity`` does."""
    memory = shared(directory, provider, identities, entries) if directory else None
    return Affinity(
        len(identities),
        ttl_ns,
        weights=weights,
        identities=identities,
        entries=entries,
        spill=spill,
        agreement=0.0 if directory else AGREEMENT,
        memory=memory,
    )

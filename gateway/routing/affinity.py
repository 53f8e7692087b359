"""Prompt-cache affinity: requests that share a prefix go to the key whose account holds it warm.

Providers cache prompts by account. With several keys and a draw by weight, a conversation's next turn mostly goes to an
account that never saw the ones before; with 8 keys, a cache that could be hit in 29 of 100 blocks is hit in 9
(bench/RESULTS.md). The table and the choice are ``_speedups._affinity``; here is the memory that the workers of a
machine share; ``gateway.routing.warmest`` chooses for a request. Bytes only decide what is taken to be alike: a body
read wrongly is sent to another key, never changed.

The builder makes a table's file before the snapshot that names it is published, so workers only map it. Any content is
one that can be read: what is wrong in it is a hint that does not come true.

Without shared memory each worker has a table of its own, in which it does not find what others sent. Then a new prefix
is given to a key by its digest (``agreement``), so that workers and hosts agree without talking; the load is spread
less evenly, because what one of them moves to an idle key the others do not find.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
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


def seed_of(model: bytes) -> int:
    """What keeps apart prompts for different models: BLAKE2b-64 of the model as it is sent."""
    return int.from_bytes(blake2b(model, digest_size=8).digest(), "little")


def table_name(provider: int, identities: Sequence[int]) -> str:
    """The table of the provider with this id hash and keys with these, in order: with other keys, or by a program that
    lays it out in another way, it is another one."""
    described = b"".join(word.to_bytes(8, "little") for word in (LAYOUT, memory_bytes(ENTRIES), *identities))
    return f"{provider:016x}-{blake2b(described, digest_size=8).hexdigest()}"


def provide(path: str, entries: int = ENTRIES) -> None:
    """Make an empty table there, unless there is one already; what has another size is none. Raises OSError, as where
    there is no room."""
    size = memory_bytes(entries)
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if found.st_size != size or not stat.S_ISREG(found.st_mode):
            # Not made longer or shorter: whoever maps it would be killed for reading behind its end.
            os.unlink(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)  # a full disk is an error here, not a signal later
    finally:
        os.close(fd)


def shared(path: str, entries: int = ENTRIES) -> mmap.mmap:
    """The memory of a table, which all workers of this machine map. Raises OSError when it is not there, ValueError
    when it has another size."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(fd).st_size
        if size != memory_bytes(entries):
            raise ValueError(f"{path} has {size} bytes, not {memory_bytes(entries)}")
        return mmap.mmap(fd, size)
    finally:
        os.close(fd)


def affinity_of(
    path: str,
    identities: Sequence[int],
    weights: Sequence[int],
    *,
    ttl_ns: int = TTL_NS,
    spill: float = 0.5,
    entries: int = ENTRIES,
) -> Affinity:
    """The affinity of one provider's keys, over the table at ``path``, or over memory of its own for "".

    identities: 64-bit hashes of the keys' ids, in order. Raises OSError and ValueError as ``shared`` does, ValueError
    as ``Affinity`` does.
    """
    return Affinity(
        len(identities),
        ttl_ns,
        weights=weights,
        identities=identities,
        entries=entries,
        spill=spill,
        agreement=0.0 if path else AGREEMENT,
        memory=shared(path, entries) if path else None,
    )

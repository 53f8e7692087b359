"""Which key of a provider holds a prompt's prefix warm in the provider's own prompt cache.

Providers cache the prefixes of prompts by account, for some minutes after the last use. A request is cheaper and
answered sooner by a key that lately sent the longest part of its prompt, unless that key has more to do than others.

Prompts are known by the digests of their prefixes, never by their text. The digests of the two builds differ.
"""

from collections.abc import Sequence
from mmap import mmap
from typing import Final, final

__pyx_capi__: dict[str, object]
"""What other extension modules call; only in the compiled module."""

BLOCK_BYTES: Final = 1024
"""The first digest is of so many bytes: a quarter of the smallest prompt that providers cache (1,024 tokens)."""

PROMPT_BYTES: Final = 1048576
"""So much of a prompt is looked at; who shares a MiB of prompt shares the conversation."""

def prompt(body: bytes) -> bytes:
    """The prompt in a JSON body of any dialect, in the order in which providers read it: the values of its members for
    tools, for instructions and for messages, behind each other, wherever they stand; the first MiB of them. Callers'
    SDKs write messages, which grow, before instructions and tools, which stay. Of several members of a kind the last
    counts. ``body`` is taken to be valid; of what is not, some bytes or none are returned."""

def digests(body: bytes, start: int, end: int, seed: int = 0) -> bytes:
    """The chain of ``body[start:end]``: eight bytes for each of its prefixes, the shortest first.

    Prefixes end every 1,024 bytes at first; from 16 KiB on every sixteenth to eighth of what lies before, so that a
    chain has 64 links at most. A piece behind the last end has none. ``seed`` (64 bits, not negative) keeps apart what
    is not shared, as the same prompt for another model. Offsets beyond the body are moved to its ends.
    """

def memory_bytes(entries: int) -> int:
    """Size of a table with room for ``entries`` prefixes, which is rounded up to a power of two: 32 bytes each."""

@final
class Affinity:
    """The prefixes that a provider's keys hold warm, and how much each key was lately given to do.

    A table of fixed size: sets of four prefixes, of which the one used longest ago is forgotten; a prefix remembers the
    last six keys that sent it. Bytes are all there is: memory that several workers map serves them all, without locks,
    since what is lost when two write at once is a hint. Empty memory is all zeros.

    Who does not share memory (workers without it, several hosts) agrees by ``agreement``: where nothing tells the keys
    apart, the first prefix that not several keys hold is given to one of them by rendezvous hashing over
    ``identities``, by which everybody who never heard of it finds the same key.
    """

    def __init__(
        self,
        keys: int,
        ttl_ns: int = ...,
        *,
        weights: Sequence[int] | None = None,
        identities: Sequence[int] | None = None,
        entries: int = 65_536,
        spill: float = 0.5,
        agreement: float = 0.0,
        load_ns: int = ...,
        memory: bytearray | memoryview | mmap | None = None,
    ) -> None:
        """Of a provider with ``keys`` keys.

        ttl_ns: for how long after its last use a prefix is taken to be warm. OpenAI and Anthropic keep it five
            minutes, which is the default.
        weights: the keys' shares of the work; a key of weight 0 is never chosen. The default: all the same.
        identities: 64-bit numbers that stay with the keys when their order changes. The default: their places.
        spill: by how many times the mean load a key that holds the whole prompt may be busier than the least busy one
            and still be preferred; one that holds half of it, by half as much. 0: prefixes do not count.
        agreement: how much busier, likewise, the key may be to which a new prefix is given by its digest. 0: the least
            busy key takes it.
        load_ns: a key's load is the tokens that it was given; they count half after so long. The
            default: 30 s.
        memory: writable, ``memory_bytes(entries)`` long, aligned to 8 bytes and kept alive by this object; several that
            share it must have the same keys in the same order. The default: memory of its own.

        Raises ValueError for what is out of range.
        """

    def __len__(self) -> int: ...
    def choose(self, chain: bytes, mask: int, now_ns: int) -> int:
        """The key among those in the bit mask that should be asked; -1: no opinion, because the prompt is too short for
        a digest or no allowed key has weight. ``now_ns`` is CLOCK_MONOTONIC."""

    def used(self, chain: bytes, key: int, tokens: int, now_ns: int) -> None:
        """A request with this chain and about so many tokens of input goes out with this key. To be called when it is
        sent, so that the next request of a burst finds it. Raises IndexError for a key that does not exist."""

    def warm(self, chain: bytes, key: int, now_ns: int) -> int:
        """How many links of the chain the key holds warm; 0: none. Raises IndexError."""

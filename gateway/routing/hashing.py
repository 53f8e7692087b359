"""Weighted rendezvous hashing: equal keys go to one target, and a target that goes away moves only its own keys."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence


def choose(key: bytes, names: Sequence[bytes], weights: Sequence[float]) -> list[int]:
    """Indices of ``names`` in the order in which ``key`` prefers them; those with weight 0 come last.

    Highest random weight (Thaler and Ravishankar 1998) with the scores ``-weight / ln u`` of weighted rendezvous
    hashing, ``u`` in (0, 1) from a hash of key and name: each target is first for a share of keys in proportion to its
    weight.
    """
    scores = []
    for name, weight in zip(names, weights, strict=True):
        digest = hashlib.blake2b(name, digest_size=8, key=hashlib.blake2b(key, digest_size=32).digest()).digest()
        drawn = (int.from_bytes(digest, "little") + 0.5) / 2.0**64
        scores.append(-weight / math.log(drawn) if weight > 0.0 else 0.0)
    return sorted(range(len(scores)), key=lambda index: -scores[index])

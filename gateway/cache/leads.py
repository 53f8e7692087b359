"""Where a model's name leads, as keys of the cache have it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from gateway.serving import Target


def fingerprint_of(targets: Sequence[Target], resolution: Any) -> bytes:
    """16 bytes that stand for where a name leads: an answer is not told again once it leads elsewhere."""
    digest = hashlib.sha256(b"" if resolution is None else resolution.name.encode("utf-8", "replace"))
    # Strategies change the order, which changes nothing in what may be answered.
    for name in sorted([f"{to.upstream.spec.id}\0{to.upstream.spec.base_url}\0{to.model}" for to in targets]):
        digest.update(b"\0" + name.encode("utf-8", "replace"))
    return digest.digest()[:16]

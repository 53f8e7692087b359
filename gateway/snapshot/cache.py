"""What a snapshot says of the cache."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

LOCAL = "local:"
"""What an embedder's name begins with that is a model directory of this host: a name in the data directory's
``models/``, or an absolute path, which only the configuration file says."""
_MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


def is_model_name(text: str) -> bool:
    """Whether it is the name of one directory, and leads nowhere else."""
    return _MODEL_NAME.fullmatch(text) is not None


class _Base(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Semantic(_Base, frozen=True):
    """Answers to similar questions (``gateway/cache/similar``)."""

    embedder: str
    mode: Literal["shadow", "threshold", "verified"] = "shadow"
    threshold: float = 0.95
    error_bound: float = 0.01
    audit: float = 0.02
    guard: bool = True
    max_turns: int = 1
    embed_timeout: float = 0.3
    vectors: Literal["float32", "int8"] = "float32"
    max_vectors: int = 100_000
    store: str = ""


class Cache(_Base, frozen=True):
    """Answers that are known already; sizes in bytes."""

    enabled: bool = False
    ttl: float = 3600.0
    scope: Literal["key", "team", "customer", "all"] = "key"
    max_size: int = 1 << 30
    max_entry: int = 1 << 20
    cross_dialect: bool = False
    coalesce: bool = True
    store: str = ""
    """URL; empty: a file of this host."""
    semantic: Semantic | None = None

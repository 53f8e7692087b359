"""What the snapshot in force says of the cache, without decoding the rest of it."""

from __future__ import annotations

import msgspec

from gateway.processes.paths import Paths
from gateway.processes.settings import in_force
from gateway.snapshot.cache import Cache


class _Settings(msgspec.Struct, frozen=True):
    cache: Cache = Cache()


class _Snapshot(msgspec.Struct):
    settings: _Settings = _Settings()


_decoder = msgspec.msgpack.Decoder(_Snapshot)


def cache_settings(paths: Paths) -> Cache:
    """Those in force; a cache that is off when there is no snapshot or it is unreadable."""
    found = in_force(paths, _decoder)
    return Cache() if found is None else found.settings.cache

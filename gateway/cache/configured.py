"""What the snapshot in force says of the cache, without decoding the rest of it."""

from __future__ import annotations

import msgspec

from gateway.processes.paths import Paths
from gateway.snapshot.cache import Cache


class _Settings(msgspec.Struct, frozen=True):
    cache: Cache = Cache()


class _Snapshot(msgspec.Struct):
    settings: _Settings = _Settings()


_decoder = msgspec.msgpack.Decoder(_Snapshot)


def cache_settings(paths: Paths) -> Cache:
    """Those in force; a cache that is off when there is no snapshot or it is unreadable."""
    path = paths.current_snapshot()
    if path is None:
        return Cache()
    try:
        with open(path, "rb") as file:
            return _decoder.decode(file.read()).settings.cache
    except (OSError, msgspec.MsgspecError):
        return Cache()

"""A worker's cache, made when its configuration is adopted."""

from __future__ import annotations

from typing import Any

from gateway.cache.answers import Answers
from gateway.cache.asking import Asking
from gateway.core import Core
from gateway.processes.paths import Paths
from gateway.snapshot.cache import Cache


def open_cache(core: Core, settings: Cache, paths: Paths) -> Answers:
    """Raises nothing: files that are not there, or not usable, are misses until they are."""
    asking = Asking(core.loop, paths.cache_socket)
    asking.start()
    reader: Any = None
    if not settings.store:
        from gateway.stores.lmdb_reader import LmdbReader

        reader = LmdbReader(paths.answers_dir)
    made = Answers(core, settings, reader, asking)
    if settings.semantic is not None:
        from gateway.cache.similar.at_worker import open_similar

        made.similar = open_similar(made, settings.semantic, paths)
    return made

"""The cache process: sole writer of the answers and of the index, host of a local embedder and of stores elsewhere.

The supervisor starts it where a cache is configured. Workers read the files themselves and need it for nothing else
than to have answers kept: while it is away everything is a miss, or a hit of what was kept before.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal

from gateway.cache.answering import serve_questions
from gateway.cache.configured import cache_settings
from gateway.cache.keeping import Keeping
from gateway.processes import logs
from gateway.processes.context import CacheContext
from gateway.processes.kernel import name_process, trim_memory
from gateway.processes.settings import Following, ProcessSettings
from gateway.snapshot.cache import Cache
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.urls import UnknownStore

log = logging.getLogger("microgate.cache")

LOOK_S = 0.25
"""How often it looks whether its settings have changed."""
MAINTENANCE_S = 60.0
RETRY_S = 2.0
"""How often a store is opened again that could not be."""


def run(context: CacheContext) -> int:
    """Keep answers until SIGTERM, or until the configuration has no cache; returns the exit status."""
    logs.configure(context.log_level, "cache")
    name_process("mg-cache")
    os.umask(0o077)
    gc.enable()
    gc.freeze()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(serve(context))
    finally:
        loop.close()


async def serve(context: CacheContext) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    following = Following(context.paths)
    while not stop.is_set():
        settings = cache_settings(context.paths)
        if not settings.enabled:
            return 0
        logs.follow(context.log_level, following.now().log_level, following.now().log_format, "cache")
        try:
            keeping = await asyncio.to_thread(Keeping.open, context.paths, settings)
        except (StoreUnavailable, UnknownStore, OSError, ValueError) as error:
            log.error("the cache cannot be used: %s", error)  # noqa: TRY400 - a sentence for the operator
            await _either(stop, RETRY_S)
            continue
        answering = await serve_questions(context.paths.cache_socket, keeping.handlers())
        try:
            await _until_changed(context, settings, keeping, stop)
        finally:
            await answering.close()
            await asyncio.to_thread(keeping.close)
    return 0


async def _until_changed(context: CacheContext, settings: Cache, keeping: Keeping, stop: asyncio.Event) -> None:
    """Look after what is kept until told to stop, or until what it is kept in is another."""
    following = Following(context.paths)
    due = asyncio.get_running_loop().time() + MAINTENANCE_S
    # They may have changed while the stores were opened.
    seen: ProcessSettings | None = None
    while not stop.is_set():
        await _either(stop, LOOK_S)
        logs.tend()
        if following.now() is not seen:
            seen = following.now()
            now = cache_settings(context.paths)
            if kept_in(now) != kept_in(settings):
                return
            keeping.follow(now)
        if asyncio.get_running_loop().time() >= due:
            due += MAINTENANCE_S
            await asyncio.to_thread(keeping.maintain)
            trim_memory()


def kept_in(settings: Cache) -> tuple[object, ...]:
    """Of the settings those that stores are opened with."""
    semantic = settings.semantic
    index = None if semantic is None else (semantic.embedder, semantic.vectors, semantic.max_vectors, semantic.store)
    return settings.enabled, settings.store, settings.max_size, index


async def _either(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)

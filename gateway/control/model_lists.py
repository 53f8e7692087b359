"""The providers' own lists of models, for /v1/models: asked for here, served by the workers from their snapshot.

A list is asked for soon after the start, when a provider was added or changed, and once an interval
(``model_lists.refresh``). One that cannot be had changes nothing: the list before it stays in force.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.control.provider_call import call, head_of
from gateway.credentials.extras import SIGNING
from gateway.snapshot.model import Provider, ProviderKey, Snapshot
from gateway.upstream.dial import Dialer, DialError
from providers.model_list import ModelList, model_list

log = logging.getLogger("microgate.models")

FIRST_AFTER_S = 3.0
"""The start is over by then, and a process that is restarted again and again asks nobody."""

LOOK_S = 0.5
"""How often it is looked whether a list is due."""

ANSWER_WITHIN_S = 15.0

AT_ONCE = 4

RETRY_S = 60.0
"""After a failure, unless lists are asked for more often anyway."""

JITTER = 0.1
"""Of the interval: many instances must not ask together for ever."""

Take = Callable[[Mapping[str, ModelList]], Awaitable[bool]]


class ListError(Exception):
    """Why there is no list; without address and credential."""


@dataclass
class _Due:
    spec: Provider
    at: float
    failing: bool = False


class ModelLists:
    """``snapshot()`` is the one in force; ``take`` publishes new lists and says whether it could."""

    def __init__(self, snapshot: Callable[[], Snapshot], take: Take) -> None:
        self._snapshot = snapshot
        self._take = take
        self._due: dict[str, _Due] = {}
        self._asking: dict[str, asyncio.Task[ModelList | None]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._dialer = Dialer(asyncio.get_running_loop())

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST_AFTER_S)
        try:
            while True:
                self._start_due(asyncio.get_running_loop().time())
                await self._take_found()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._asking.values():
                task.cancel()
            await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _start_due(self, now: float) -> None:
        snapshot = self._snapshot()
        interval = snapshot.settings.model_refresh
        wanted = {name: spec for name, spec in snapshot.providers.items() if interval and is_listed(spec)}
        self._due = {name: due for name, due in self._due.items() if wanted.get(name) == due.spec}
        for name, spec in wanted.items():
            due = self._due.setdefault(name, _Due(spec, now))
            if due.at <= now and name not in self._asking:
                self._asking[name] = asyncio.create_task(self._ask(name, due, interval))

    async def _take_found(self) -> None:
        """What has come since the last look, in one version; a slow provider holds up nobody else's list."""
        done = {name: task for name, task in self._asking.items() if task.done()}
        found = {name: listed for name, task in done.items() if (listed := task.result()) is not None}
        if not found or await self._take(found):
            # Else the configuration is being built for the first time: at the next look.
            for name in done:
                del self._asking[name]

    async def _ask(self, name: str, due: _Due, interval: float) -> ModelList | None:
        loop = asyncio.get_running_loop()
        try:
            async with self._gate:
                found = await fetch(self._dialer, due.spec)
        except ListError as error:
            due.at = loop.time() + min(interval, RETRY_S)
            level = logging.DEBUG if due.failing else logging.WARNING
            due.failing = True
            log.log(level, "the provider %s has not told its models: %s", name, error)
            return None
        due.at = loop.time() + interval * random.uniform(1 - JITTER, 1)
        due.failing = False
        log.debug("the provider %s has %d models", name, len(found.names))
        return found


def is_listed(spec: Provider) -> bool:
    """Whether this provider is asked for its models."""
    usable = not spec.keys or key_for(spec) is not None
    return spec.enabled and spec.list_models and "models" in spec.dialects and usable


def key_for(spec: Provider) -> int | None:
    """The key that is asked with: the first that is plain text, else the first that stands for a token."""
    enabled = [(key.credential is not None, index) for index, key in enumerate(spec.keys) if key.enabled and sends(key)]
    return min(enabled)[1] if enabled else None


def sends(key: ProviderKey) -> bool:
    """Whether the key, or its token, is sent as it is: what signs is not used for lists."""
    return key.credential is None or key.credential.type not in SIGNING


async def fetch(dialer: Dialer, spec: Provider) -> ModelList:
    """The provider's list, as its first usable key sees it. Raises ListError."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            head = await head_of(spec, key_for(spec) or 0, b"GET", spec.paths["models"])
            answered = await call(dialer, spec, head)
        if answered.status != 200:
            raise ListError(f"status {answered.status}")
        return model_list(answered.body)
    except (DialError, ValueError) as error:
        raise ListError(str(error)) from error
    except TimeoutError:
        raise ListError(f"no answer within {ANSWER_WITHIN_S:g} s") from None

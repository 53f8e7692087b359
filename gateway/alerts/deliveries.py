"""Deliveries on their way to webhooks: tried again with growing pauses, each webhook for itself."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable

from gateway.alerts.alert import Delivery, Kept, at
from gateway.alerts.webhook import Sent, body_of, send
from gateway.config.alerts import WebhookEntry
from gateway.upstream.dial import Dialer

log = logging.getLogger("microgate.alerts")

PAUSES_S = (5.0, 20.0, 60.0, 180.0, 420.0, 900.0, 1800.0)
"""Between tries: eight of them within an hour, most of them soon."""
JITTER = 0.1
"""Of a pause."""

Send = Callable[[Dialer, WebhookEntry, bytes, Delivery], Awaitable[Sent]]


class Deliveries:
    """Of one gateway. ``settled`` hears of every try, when its delivery has changed."""

    def __init__(self, dialer: Dialer, settled: Callable[[Kept], None], send: Send = send) -> None:
        self._dialer = dialer
        self._settled = settled
        self._send = send
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By webhook: its deliveries go one after the other, in the order of the alerts."""
        self.sent = {"delivered": 0, "retried": 0, "failed": 0}

    def start_due(self, kept: Iterable[Kept], hooks: Iterable[WebhookEntry], now_s: float) -> None:
        """Begin what is due, at webhooks that are not being told something already."""
        known = {hook.name: hook for hook in hooks if hook.enabled}
        now = at(now_s)
        for each in kept:
            earlier: set[str] = set()
            for delivery in each.alert.deliveries:
                if delivery.status != "pending":
                    continue
                hook = known.get(delivery.webhook)
                if hook is None:
                    delivery.status, delivery.next_at, delivery.error = (
                        "failed",
                        None,
                        "there is no such webhook any more",
                    )
                    self._settled(each)
                    continue
                # That it is over is not told before it was told of: whoever had both in that order would wait for good.
                if delivery.webhook not in earlier and (delivery.next_at is None or delivery.next_at <= now):
                    self._start(each, delivery, hook, now_s)
                earlier.add(delivery.webhook)

    def _start(self, kept: Kept, delivery: Delivery, hook: WebhookEntry, now_s: float) -> None:
        if delivery.webhook not in self._under_way:
            task = asyncio.create_task(self._try(kept, delivery, hook, now_s), name=delivery.webhook)
            self._under_way[delivery.webhook] = task
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task.get_name(), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery failed", exc_info=error)

    async def _try(self, kept: Kept, delivery: Delivery, hook: WebhookEntry, now_s: float) -> None:
        sent = await self._send(self._dialer, hook, body_of(kept.alert, delivery), delivery)
        delivery.attempts += 1
        delivery.last_at = at(now_s + sent.took_ms / 1e3)
        delivery.error = sent.error
        if sent.ok:
            delivery.status, delivery.next_at = "delivered", None
            self.sent["delivered"] += 1
        elif delivery.attempts > len(PAUSES_S):
            delivery.status, delivery.next_at = "failed", None
            self.sent["failed"] += 1
            log.error("the webhook %s was not told of an alert, finally: %s", hook.name, sent.error)
        else:
            pause_s = PAUSES_S[delivery.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
            delivery.next_at = at(now_s + pause_s)
            self.sent["retried"] += 1
            log.warning("the webhook %s was not told of an alert, again in %.0f s: %s", hook.name, pause_s, sent.error)
        self._settled(kept)

    async def close(self) -> None:
        """Give up what is under way; it is pending still."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

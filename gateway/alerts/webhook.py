"""One POST to a webhook: what is sent, how it is signed, and what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

import gateway
from _speedups._head import HeadScan
from gateway.alerts.alert import Alert, Delivery
from gateway.config.alerts import WebhookEntry, judge_target
from gateway.upstream.dial import Dialer, DialError
from gateway.upstream.origin import DEFAULT_PORTS, Origin

WITHIN_S = 10.0
"""For all of it: name, connection, answer."""
MOST_HEAD_BYTES = 1 << 16


class Sent(NamedTuple):
    """What came of one try."""

    ok: bool
    status: int
    """0: no answer."""
    error: str
    """Without the address, which may be a secret."""
    took_ms: float


def body_of(alert: Alert, delivery: Delivery) -> bytes:
    """The JSON that is sent; the same in every try."""
    shown: dict[str, Any] = {
        name: getattr(alert, name) for name in alert.__struct_fields__ if name not in ("deliveries", "until")
    }
    shown["until"] = alert.until if delivery.event == "resolved" else None
    return msgspec.json.encode({"type": f"alert.{delivery.event}", "delivery": delivery.id, "alert": shown})


def signature_of(secret: str, body: bytes, at_s: int) -> str:
    """Value of ``x-microgate-signature``: HMAC-SHA256 over ``<t>.<body>``, so that an old delivery cannot be sent again
    with a new time."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


async def send(dialer: Dialer, hook: WebhookEntry, body: bytes, delivery: Delivery) -> Sent:
    """One try. Anything but a status of 2xx within ten seconds is none; redirects are not followed."""
    started = time.perf_counter()
    status, error = 0, ""
    try:
        async with asyncio.timeout(WITHIN_S):
            status = await _ask(dialer, hook, body, delivery)
        error = "" if 200 <= status < 300 else f"it answered with status {status}"
    except TimeoutError:
        error = f"no answer within {WITHIN_S:g} s"
    except DialError as failure:
        error = f"no connection: {failure.kind}"
    except (ValueError, OSError) as failure:
        error = str(failure)
    return Sent(not error, status, error, round((time.perf_counter() - started) * 1e3, 1))


async def _ask(dialer: Dialer, hook: WebhookEntry, body: bytes, delivery: Delivery) -> int:
    url = hook.url.reveal()
    if reason := judge_target(url, allow_private=hook.allow_private):
        raise ValueError(reason)
    origin = origin_of(url, hook)
    link = _Link()
    transport = await dialer.dial(origin, lambda: link)
    try:
        transport.write(_head(url, origin, hook, body, delivery) + body)
        return await link.status
    finally:
        transport.abort()


def origin_of(url: str, hook: WebhookEntry) -> Origin:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    scheme = parts.scheme.lower()
    return Origin(
        provider=f"webhook/{hook.name}",
        scheme=scheme,
        host=host,
        port=parts.port if parts.port is not None else DEFAULT_PORTS[scheme],
        prefix="",
        server_name=host.rstrip(".") if scheme == "https" else "",
        connect_timeout=WITHIN_S,
        allow_private=hook.allow_private,
    )


def _head(url: str, origin: Origin, hook: WebhookEntry, body: bytes, delivery: Delivery) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {
        "host": origin.authority,
        "user-agent": f"microgate/{gateway.__version__}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-microgate-delivery": delivery.id,
        "x-microgate-event": f"alert.{delivery.event}",
        "x-microgate-signature": signature_of(hook.secret.reveal(), body, int(time.time())),
        "connection": "close",
    }
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Link(asyncio.Protocol):
    """The status of one answer, whose body nobody reads."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._head = bytearray()

    def data_received(self, data: bytes) -> None:
        if self.status.done():
            return
        before = len(self._head)
        self._head += data
        while not self.status.done():
            end = self._head.find(b"\r\n\r\n", max(0, before - 3)) + 4
            if end < 4:
                if len(self._head) > MOST_HEAD_BYTES:
                    self.status.set_exception(ValueError("the answer has too large a head"))
                return
            scan = HeadScan()
            if not scan.response(bytes(self._head[:end])):
                self.status.set_exception(ValueError("the answer is not valid HTTP"))
            elif scan.status >= 200:
                self.status.set_result(scan.status)
            # An interim answer: the true one follows.
            del self._head[:end]
            before = 0

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(ValueError("the connection was closed before there was an answer"))

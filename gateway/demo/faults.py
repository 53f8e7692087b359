"""Faults that come before or instead of an answer; those inside a stream are in ``stream.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from gateway.demo.connection import Disconnected, Reply
from gateway.demo.scenario import Scenario

_KINDS: Mapping[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The demo upstream was asked to refuse this request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-demo."),
    402: ("billing_error", "payment_required", "This account has no funds."),
    403: ("permission_error", None, "This key may not use the model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    413: ("invalid_request_error", "context_length_exceeded", "The request is too long for this model."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 1s."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
    529: ("overloaded_error", None, "Overloaded."),
}

PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>demo</center>\r\n</body>\r\n</html>\r\n"
)

NEVER = 86_400.0
"""Seconds a stall lasts: longer than any deadline; a caller who leaves ends it."""


RETRIED = frozenset((429, 503, 529))
"""Statuses whose answer says when to come back."""

_OTHER = ("server_error", None, "The server had an error processing your request.")


def error_for(status: int) -> tuple[str, str | None, str]:
    """(type, code, message) of the error that OpenAI answers with this status."""
    return _KINDS.get(status, _OTHER)


Refuse = Callable[[Reply, int], Awaitable[None]]


async def refuse(reply: Reply, status: int) -> None:
    """The error OpenAI would answer with this status."""
    kind, code, message = error_for(status)
    if status in RETRIED:
        reply.headers.append(("retry-after", "1"))
    if status == 429:
        reply.headers += [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
        ]
    await reply.error(status, kind, message, code)


class Counter:
    """Counts the requests of each flaky model, so that ``flaky-n`` succeeds once in n, reliably."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def fails(self, model: str, every: int) -> bool:
        """Whether this request is one of those that fail."""
        if every <= 1 or len(self._seen) > 10_000:
            return False
        self._seen[model] = count = self._seen.get(model, 0) + 1
        return count % every != 0


async def before_answer(
    reply: Reply, scenario: Scenario, model: str, counter: Counter, *, stream: bool, refuse: Refuse = refuse
) -> bool:
    """Wait the chosen delay and act out a fault that leaves no answer; True when the request is done with. ``refuse``
    answers with an error in the caller's dialect."""
    if scenario.delay:
        await asyncio.sleep(scenario.delay)
    if scenario.status:
        await refuse(reply, scenario.status)
        return True
    if scenario.flaky and counter.fails(model, scenario.flaky):
        await refuse(reply, 503)
        return True
    match scenario.fault:
        case "html":
            await reply.body(502, "text/html", PAGE)
        case "reset":
            reply.reset()
        case "garbage":
            await reply.raw(b"\x16\x03\x01\x00\x00 this is not HTTP\r\n\r\n")
            reply.cut()
        case "bad-json" if not stream:
            await reply.body(200, "application/json", b'{"id":"chatcmpl-demo","object":"chat.completion","choi')
        case "cut" if not stream:
            await reply.body(200, "application/json", b'{"id":"chatcmpl-demo","object"', promised=2048)
            reply.cut()
        case "stall" if not stream:
            await asyncio.sleep(NEVER)
            raise Disconnected
        case _:
            return False
    return True

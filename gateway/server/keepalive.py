"""Comments in a stream whose provider is silent, so that nothing on the way to the caller takes it for dead.

Nothing is done for an event that passes: twice within the longest silence the deadline of the caller's connection comes
due (``gateway.server.deadlines``), and if no event has gone out since, and the last one is complete, a comment does.
"""

from __future__ import annotations

from _speedups._bytes import chunk, monotonic_ns
from gateway.exchange import Exchange
from providers.operations import Dialect

COMMENT = b": keep-alive\n\n"
ENDS = (b"\n\n", b"\r\n\r\n")
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
COMMENTED = frozenset((int(Dialect.ANTHROPIC), int(Dialect.COHERE)))
"""Beside OpenAI's: dialects whose streams are server-sent events and whose SDKs skip comments. google-genai takes every
line that is no ``data`` for JSON and raises."""


def watch(x: Exchange, data: bytes) -> None:
    """The stream of ``x`` has begun with ``data``: from now on see to it that it is not silent for too long."""
    core, caller = x.core, x.caller
    if not core.stream_keepalive_ns or caller is None:
        return
    if x.dialect > LAST_OF_OPENAI and x.dialect not in COMMENTED:
        return
    x.commented = True
    x.chunks_seen = -1
    note(x, data)
    core.wheel.set(caller, monotonic_ns() + core.stream_keepalive_ns // 2)


def note(x: Exchange, data: bytes) -> None:
    """``data`` has gone out. A comment must not stand inside a line, so it waits for an event to be complete; where the
    empty line behind an event comes in two pieces, for the next one."""
    if data:
        x.between = data.endswith(ENDS)


def over(x: Exchange) -> bool:
    """The stream's own last event has gone out: nothing comes behind it."""
    if x.scan is not None:
        return x.scan.done
    return x.translation is not None and bool(x.translation.done)


def beat(x: Exchange, now_ns: int) -> None:
    """Half of the longest silence has passed since the last look, or since the stream began."""
    caller, core = x.caller, x.core
    if caller is None or x.ended or not x.commented:
        return
    if over(x):
        return
    if x.chunks == x.chunks_seen and x.between:
        caller.answer(chunk(COMMENT) if x.chunked else COMMENT)
    x.chunks_seen = x.chunks
    core.wheel.set(caller, now_ns + core.stream_keepalive_ns // 2)

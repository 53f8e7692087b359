"""A stream at a chosen pace, with the faults a stream can have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from gateway.demo.connection import EVENT_STREAM, Disconnected, Reply, event_bytes
from gateway.demo.faults import NEVER
from gateway.demo.scenario import Scenario


async def play(
    reply: Reply,
    scenario: Scenario,
    events: Iterable[bytes],
    error: Callable[[bytes], bytes],
    broken: Callable[[bytes], bytes],
    content_type: str,
) -> None:
    """Send ``events`` as the scenario says. ``error`` and ``broken`` say what stands in place of one: an error that
    ends the stream, or a truncated document."""
    await reply.start_stream(content_type)
    if scenario.ttft:
        await asyncio.sleep(scenario.ttft)
    for count, event in enumerate(events):
        if count and scenario.pace:
            await asyncio.sleep(scenario.pace)
        if count == scenario.after and scenario.fault:
            if scenario.fault == "cut":
                reply.cut()
                return
            if scenario.fault == "stall":
                await asyncio.sleep(NEVER)
                raise Disconnected
            if scenario.fault == "error-event":
                await reply.chunk(error(event))
                break
            if scenario.fault == "bad-json":
                await reply.chunk(broken(event))
                continue
        await reply.chunk(event)
    await reply.end_stream()


MISHAP = "The server had an error while streaming."
"""What the error inside a stream says."""


def chat_error(event: bytes) -> bytes:
    """An error in place of ``event``, as OpenAI puts it into a stream of chunks."""
    error = {"message": MISHAP, "type": "server_error", "code": None}
    return event_bytes({"error": error}, "error" if _name(event) else "")


async def send(
    reply: Reply,
    scenario: Scenario,
    events: Iterable[tuple[str, object]],
    *,
    done: bool = True,
    error: Callable[[bytes], bytes] = chat_error,
) -> None:
    """Send ``(event name, value)`` pairs in OpenAI's form; ``done`` adds its ``[DONE]`` at the end."""
    await play(reply, scenario, _all(events, done=done), error, _broken, EVENT_STREAM)


def _all(events: Iterable[tuple[str, object]], *, done: bool) -> Iterator[bytes]:
    for name, value in events:
        yield event_bytes(value, name)
    if done:
        yield event_bytes("[DONE]")


def _name(event: bytes) -> str:
    return event.partition(b"\n")[0].removeprefix(b"event: ").decode() if event.startswith(b"event: ") else ""


def _broken(event: bytes) -> bytes:
    return event_bytes('{"id":"chatcmpl-demo","choices":[{"delta":', _name(event))

"""An event stream at a chosen pace, with the faults a stream can have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from gateway.demo.connection import Disconnected, Reply
from gateway.demo.faults import NEVER
from gateway.demo.scenario import Scenario


async def send(reply: Reply, scenario: Scenario, events: Iterable[tuple[str, object]], *, done: bool = True) -> None:
    """Send ``(event name, value)`` pairs as the scenario says; ``done`` adds OpenAI's ``[DONE]`` at the end."""
    await reply.start_stream()
    if scenario.ttft:
        await asyncio.sleep(scenario.ttft)
    for count, (name, value) in enumerate(events):
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
                error = {"message": "The server had an error while streaming.", "type": "server_error", "code": None}
                await reply.event({"error": error}, "error" if name else "")
                await reply.end_stream()
                return
            if scenario.fault == "bad-json":
                await reply.event('{"id":"chatcmpl-demo","choices":[{"delta":', name)
                continue
        await reply.event(value, name)
    if done:
        await reply.event("[DONE]")
    await reply.end_stream()

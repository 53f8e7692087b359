"""Running a test's coroutine on each of the event loops, and waiting on it for what has to come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from tests.waiting import PATIENCE_S

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Run = Callable[[Callable[[], Awaitable[None]]], None]
Found = TypeVar("Found")


async def until(condition: Callable[[], Found], seconds: float = PATIENCE_S) -> Found:
    """The first true answer of ``condition``; ``seconds`` is when to give up, not what is measured."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (found := condition()):
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.002)
    return found


def runner_on(name: str) -> Run:
    """Runs a coroutine to its end, which leaves no task behind and no exception that nobody looked at."""

    def run(main: Callable[[], Awaitable[None]]) -> None:
        unhandled: list[dict[str, object]] = []

        async def bounded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
            async with asyncio.timeout(PATIENCE_S):
                await main()
            assert len(asyncio.all_tasks()) == 1

        with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
            runner.run(bounded())
        assert unhandled == []

    return run

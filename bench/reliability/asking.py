"""A gateway for one figure, and requests put to it one by one, in numbers, or at a rate."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from bench.load.result import ROOT
from bench.reliability.provider import Providers
from gateway.loadgen import message
from tests.live.instance import Gateway, configuration
from tests.live.wire import KEY, Answer, AnswerReader, request


@contextmanager
def running(
    config: dict[str, Any],
    *,
    workers: int = 1,
    launcher: Sequence[str] = (),
    more: Sequence[str] = (),
) -> Iterator[Gateway]:
    """The gateway with this configuration, in a directory of its own, started through ``launcher``, with ``more``
    options."""
    with tempfile.TemporaryDirectory(prefix="microgate-bench-", ignore_cleanup_errors=True) as folder:
        gateway = Gateway(Path(folder), config, workers=workers, more=more)
        gateway.launcher = list(launcher)
        try:
            yield gateway.start()
            # Fails on a traceback, a secret in the log, or a process that stays.
            gateway.stop()
        finally:
            gateway.kill()


def routed(providers: Providers, route: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration with every provider and the route ``m``. Health and further attempts are as shipped unless
    ``more`` says otherwise."""
    config = configuration("http://127.0.0.1:1", **more)
    mock = config["providers"].pop("mock")
    config["providers"] = {name: {**mock, "base_url": providers.url(name)} for name in providers.names}
    config["routes"] = {"m": route}
    if "health" not in more:
        del config["health"]
    return config


def chat(*, stream: bool = False, model: str = "m", fields: Sequence[tuple[str, str]] = (), **members: Any) -> bytes:
    """A chat request as bytes."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}], **members}
    if stream:
        body["stream"] = True
    return request(body=json.dumps(body, separators=(",", ":")).encode(), fields=fields)


class Told(NamedTuple):
    """An answer, and the seconds that it took."""

    answer: Answer
    seconds: float


def ask_all(gateway: Gateway, raws: Sequence[bytes], at_once: int = 1, within_s: float = 120.0) -> list[Told]:
    """Put the requests over ``at_once`` kept connections; answers in their order."""
    told: list[Told | None] = [None] * len(raws)

    async def lane(todo: Iterator[tuple[int, bytes]]) -> None:
        reader = writer = None
        for number, raw in todo:
            began = time.monotonic()
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(raw)
            answers = AnswerReader()
            async with asyncio.timeout(within_s):
                while not (answers.final and answers.final[-1].complete):
                    assert reader is not None
                    data = await reader.read(65536)
                    if not data:
                        answers.eof()
                        break
                    answers.feed(data)
            told[number] = Told(answers.final[-1], time.monotonic() - began)
            if not answers.final[-1].complete or answers.final[-1].header("connection") == "close":
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    async def main() -> None:
        todo = enumerate(raws)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(raws))):
                group.create_task(lane(todo))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return [one for one in told if one is not None]


def statuses(told: Sequence[Told]) -> dict[int, int]:
    return dict(sorted(Counter(one.answer.status for one in told).items()))


def ms(seconds: Sequence[float], share: float) -> float:
    """The quantile in milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def median_ms(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds) * 1000, 2)


def load(gateway: Gateway, rate: float, seconds: float, *, stream: bool = False, model: str = "m") -> dict[str, Any]:
    """An open loop of Poisson arrivals, by ``gateway.loadgen`` in a process of its own; what it reports."""
    command = [sys.executable, "-m", "gateway", "bench", f"{gateway.base_url}/v1/chat/completions", "--json"]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--arrivals", "poisson", "--model", model]
    command += ["--key", KEY, *(["--stream"] if stream else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def usual_request(gateway: Gateway, *, stream: bool = False) -> bytes:
    """As SDKs send it."""
    body = message.chat_body("m", stream=stream)
    return message.request(f"127.0.0.1:{gateway.port}", "/v1/chat/completions", KEY, body)

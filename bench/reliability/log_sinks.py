"""Logs whose reader has stopped: standard error as a full pipe, and a control process that takes in no records."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.load.session import Session
from bench.reliability.backlog import counted
from bench.reliability.counting import Counting
from bench.reliability.figures import Outcome, figure
from bench.reliability.limited import Limited, limited, p99_ms
from bench.reliability.streaming import read, run
from gateway.loadgen import message
from tests.beside import Beside

PAGE = 4096
EVERY_S = 2.0
"""Between two lines of the worker, and as many of control."""


class Pipe:
    """A FIFO that standard error of a gateway goes to, taken or not."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._taking = threading.Event()
        self._taking.set()
        self._ended = threading.Event()
        self.said = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._taking.wait(0.1)
            if self._taking.is_set() and select.select([self._fd], [], [], 0.1)[0]:
                self.said += os.read(self._fd, 65536)

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Nobody reads, and it is full."""
        self._taking.clear()
        time.sleep(0.2)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self._fd, b"\n" * PAGE)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self._fd, b"\n")
        try:
            yield
        finally:
            self._taking.set()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._fd)


def interpreter(directory: Path, fifo: Path) -> Path:
    """A Python whose standard error goes to ``fifo``."""
    path = directory / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" 2>{fifo}\n')
    path.chmod(0o755)
    return path


class _Talk(Beside):
    """Makes worker and control say something again and again: each time the provider's key is another, and refused."""

    def __init__(self, gateway: Limited, provider: Counting) -> None:
        super().__init__()
        self._gateway = gateway
        self._provider = provider
        self.lines = 0

    def _run(self) -> None:
        gateway = self._gateway
        raw = message.request(
            f"127.0.0.1:{gateway.port}", "/v1/chat/completions", gateway.gateway.key, message.chat_body("counted")
        )
        while not self._stop.wait(EVERY_S / 2):
            self.lines += 1
            number = self.lines

            def change(config: dict[str, Any], number: int = number) -> None:
                key = {"name": f"key-{number}-{time.time_ns()}", "value": f"sk-{time.time_ns()}"}
                config["providers"]["counting"]["keys"] = [key]

            gateway.rewrite(change)
            if not self._stop.wait(EVERY_S / 2):
                run(read(gateway.port, raw))


@figure("D10", guard="tests/processes/test_sink.py")
def nobody_takes_the_log(quick: bool) -> Outcome:
    """L, while worker and control have something to say every two seconds: with a reader, with none, and with a
    control process that is stopped."""
    seconds = 6.0 if quick else 60.0
    pipes: list[Pipe] = []

    def python(session: Session) -> str:
        fifo = session.directory / "stderr"
        pipes.append(Pipe(fifo))
        return str(interpreter(session.directory, fifo))

    with Counting(accepts=lambda: False) as provider:
        provider.refusal = 401
        with limited(share=None, change=counted(provider, {}), python=python) as gateway:
            (pipe,) = pipes
            try:
                rate = min(2000.0, gateway.capacity("instant") / 2)
                with _Talk(gateway, provider):
                    before = gateway.load("instant", rate, seconds).result()
                    with pipe.blocked():
                        silent = len(pipe.said)
                        blocked = gateway.load("instant", rate, seconds).result()
                        held = len(pipe.said) == silent
                    time.sleep(2)
                said = bytes(pipe.said[silent:]).count(b"is refused")
                control = gateway.process("control")
                os.kill(control, signal.SIGSTOP)
                frozen = gateway.load("instant", rate, seconds).result()
                os.kill(control, signal.SIGCONT)
                time.sleep(6)
                dropped = round(gateway.metric("microgate_records_dropped_total"))
                lost = round(gateway.metric("microgate_log_lines_lost_total"))
            finally:
                pipe.close()
    times = [p99_ms(report) / p99_ms(before) for report in (blocked, frozen)]
    failed = sum((Counter(report["failures"]) for report in (before, blocked, frozen)), Counter[str]())
    values = {
        "requests a second": round(rate),
        "seconds": seconds,
        "99th percentile with a reader, ms": round(p99_ms(before), 3),
        "while nobody reads, ms": round(p99_ms(blocked), 3),
        "times": round(times[0], 2),
        "while control stands still, ms": round(p99_ms(frozen), 3),
        "times then": round(times[1], 2),
        "failed": ", ".join(f"{count} x {why}" for why, count in failed.items()) or 0,
        "the worker's lines that came afterwards": said,
        "lines lost": lost,
        "records lost": dropped,
    }
    return Outcome(values, max(times) <= 1.1 and not failed and held and said > 0, blocked["void"] or frozen["void"])

"""Signals as bytes on a pipe: a look at what has arrived takes nothing away."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest

from gateway.processes.signals import SignalPipe
from gateway.supervisor import Supervisor

NUMBERS = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def pipe() -> Iterator[SignalPipe]:
    before = [signal.getsignal(number) for number in NUMBERS]
    made = SignalPipe(NUMBERS)
    yield made
    made.close()
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


def test_each_is_returned_once(pipe: SignalPipe) -> None:
    assert pipe.wait(0) == set()
    for number in (*NUMBERS, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert pipe.wait(60) == set(NUMBERS)
    assert pipe.wait(0) == set()


def test_children_ended_by_a_stop_signal_not_yet_read_are_not_complained_of(
    pipe: SignalPipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.supervisor.STOP_SIGNALS", frozenset({signal.SIGUSR1}))
    supervisor = object.__new__(Supervisor)
    supervisor.stopping = False
    supervisor.signals = pipe
    supervisor._report("control", signal.SIGTERM, 0)
    assert "control was killed by SIGTERM" in caplog.text
    caplog.clear()
    os.kill(os.getpid(), signal.SIGUSR1)
    supervisor._report("control", signal.SIGTERM, 0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_was_looked_at_is_still_returned(pipe: SignalPipe) -> None:
    assert not pipe.has(set(NUMBERS))
    os.kill(os.getpid(), signal.SIGUSR1)
    assert pipe.has({signal.SIGUSR1, signal.SIGUSR2})
    assert pipe.has({signal.SIGUSR1})
    assert not pipe.has({signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    assert pipe.wait(60) == set(NUMBERS)
    assert not pipe.has(set(NUMBERS))

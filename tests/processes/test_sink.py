"""Standard error whose reader has stopped, as a real pipe, terminal, socket and file."""

from __future__ import annotations

import fcntl
import io
import os
import select
import signal
import socket
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.processes import logs, sink
from gateway.processes.sink import QUEUE_BYTES, Sink
from tests.processes.harness import Gateway
from tests.waiting import wait_for

Make = Callable[[int], Sink]
Pipe = tuple[int, int]
"""Reading and writing end."""

LINE = b"2026-01-31 12:00:00.123 info  worker-0 something happened\n"


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.fixture
def sink_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes sinks that end with the test, without waiting for anybody."""
    sinks: list[Sink] = []

    def make(fd: int) -> Sink:
        sinks.append(Sink(fd))
        return sinks[-1]

    yield make
    monkeypatch.setattr(sink, "FINISH_S", 0.0)
    for one in sinks:
        one.close()


def fill(fd: int) -> int:
    """Write until a blocking write would wait; the bytes written. The descriptor's own description stays blocking."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    written = 0
    try:
        while True:
            written += os.write(own, b"\0" * 4096)
    except BlockingIOError:
        return written
    finally:
        os.close(own)


def take(fd: int, count: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < count and (piece := os.read(fd, count - len(data))):
        data += piece
    return data


def test_lines_wait_while_nobody_reads_and_come_in_order(sink_of: Make, pipe: Pipe) -> None:
    reads, writes = pipe
    full = fill(writes)
    to = sink_of(writes)
    lines = [b"%d " % number + LINE for number in range(100)]
    for line in lines:
        assert to.write(line) == len(line)
    take(reads, full)
    to.flush()
    assert take(reads, len(b"".join(lines))) == b"".join(lines)
    assert to.lost == 0


def test_the_shared_description_is_left_as_it_is(sink_of: Make, pipe: Pipe) -> None:
    to = sink_of(pipe[1])
    to.write(LINE)
    assert os.get_blocking(pipe[1])


def test_what_the_queue_does_not_hold_is_lost_and_counted(sink_of: Make, pipe: Pipe) -> None:
    reads, writes = pipe
    full = fill(writes)
    to = sink_of(writes)
    kept = QUEUE_BYTES // len(LINE)
    for _ in range(kept + 7):
        to.write(LINE)
    assert to.lost == 7
    assert to.losses() == 0
    take(reads, full)
    got = b""
    while len(got) < kept * len(LINE):
        to.flush()
        got += os.read(reads, 65536)
    assert got == LINE * kept
    assert to.losses() == 7
    assert to.losses() == 0


def test_a_line_longer_than_the_pipe_arrives_whole(sink_of: Make, pipe: Pipe) -> None:
    reads, writes = pipe
    long = bytes(range(256)) * 600
    to = sink_of(writes)
    to.write(long)
    to.write(LINE)
    got = b""
    while len(got) < len(long) + len(LINE):
        got += os.read(reads, 65536)
        to.flush()
    assert got == long + LINE


def test_a_pipe_without_a_reader_loses_lines_and_raises_nothing(sink_of: Make) -> None:
    reads, writes = os.pipe()
    to = sink_of(writes)
    os.close(reads)
    to.write(LINE)
    to.write(LINE)
    assert to.lost == 2
    # Nobody could be told.
    assert to.losses() == 0
    os.close(writes)


def test_a_child_does_not_repeat_its_parents_lines(sink_of: Make, pipe: Pipe) -> None:
    reads, writes = pipe
    full = fill(writes)
    to = sink_of(writes)
    to.write(b"parent\n")
    pid = os.fork()
    if not pid:
        to.write(b"child\n")
        take(reads, full)
        to.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(reads, 100) == b"child\n"
    to.flush()
    assert os.read(reads, 100) == b"parent\n"


def test_a_socket_whose_reader_has_stopped(sink_of: Make) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        to = sink_of(ours.fileno())
        for _ in range(20):
            to.write(b"x" * 65536)
        assert to.lost > 0
        assert ours.getblocking()
        theirs.settimeout(5)
        while not to.losses():
            assert theirs.recv(65536)


def test_a_terminal_whose_output_is_held(sink_of: Make) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    to = sink_of(slave)
    for _ in range(40):
        to.write(b"x" * 16384)
    assert to.lost > 0
    assert os.get_blocking(slave)
    while not to.losses():
        os.read(master, 65536)
    os.close(slave)
    os.close(master)


def test_a_file_keeps_what_others_write_to_it(sink_of: Make, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"another process\n")
    sink_of(fd).write(LINE)
    os.write(fd, b"and again\n")
    os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"another process\n" + LINE + b"and again\n"


def test_a_pipe_that_cannot_be_opened_again(sink_of: Make, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = pipe
    full = fill(writes)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError()))
        to = sink_of(writes)
    long = bytes(range(256)) * 40
    to.write(long)
    take(reads, full)
    to.flush()
    assert take(reads, len(long)) == long


def test_an_end_waits_for_a_reader_who_is_behind(sink_of: Make, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = pipe
    monkeypatch.setattr(sink, "FINISH_S", 60.0)
    full = fill(writes)
    to = sink_of(writes)
    to.write(LINE)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(take(reads, full + len(LINE))))
    reader.start()
    to.close()
    reader.join()
    assert got[0].endswith(LINE)


def test_an_end_does_not_wait_for_a_reader_who_has_stopped(
    sink_of: Make, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "FINISH_S", 0.01)
    fill(pipe[1])
    to = sink_of(pipe[1])
    to.write(LINE)
    to.close()


def test_a_standard_error_that_is_closed_takes_everything(sink_of: Make) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    os.close(writes)
    to = sink_of(writes)
    to.write(LINE)
    assert to.lost == 0


def test_losses_are_said_once_lines_are_taken_again(sink_of: Make, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = pipe
    full = fill(writes)
    text = io.TextIOWrapper(sink_of(writes), "utf-8", newline="", write_through=True)  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stderr", text)
    for _ in range(QUEUE_BYTES // len(LINE) + 3):
        text.write(LINE.decode())
    assert logs.tend() == 3
    take(reads, full)
    told: list[str] = []
    monkeypatch.setattr(
        logs.logging.getLogger("microgate.log"), "warning", lambda text, count: told.append(text % count)
    )
    while not told:
        if select.select([reads], [], [], 0)[0]:
            os.read(reads, 65536)
        assert logs.tend() == 3
    assert told == ["3 log lines were lost: nobody took them in time"]
    logs.tend()
    assert len(told) == 1


def test_a_gateway_serves_while_nobody_reads_what_it_says(gateway: Gateway) -> None:
    reads, writes = os.pipe()
    # A pipe of one page.
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 4096)
    full = fill(writes)
    gateway.said_to = writes
    gateway.start(workers=2)
    # The supervisor, workers and control all have something to say about each of these.
    for number in range(2):
        pid = gateway.worker(number)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda n=number, p=pid: gateway.replaced(n, p), "a killed worker is replaced")  # type: ignore[misc]
        wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer")
    take(reads, full)
    said = b""
    while said.count(b"was killed by SIGKILL") < 2:
        said += os.read(reads, 4096)
    gateway.signal(signal.SIGTERM)
    os.close(writes)
    while piece := os.read(reads, 4096):
        said += piece
    os.close(reads)
    assert gateway.wait() == 0
    assert b"stopping: 2 workers" in said
    assert b"lost" not in said

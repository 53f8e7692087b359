"""The control channel over a real unix socket: hello, publish, acknowledge, reconnect; frames at every split."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from gateway.processes.channel import (
    MAX_FRAME_BYTES,
    Ack,
    ChannelServer,
    Drain,
    FrameDecoder,
    Health,
    Hello,
    Message,
    Publish,
    WorkerChannel,
    encode_frame,
)
from gateway.processes.frames import FrameError

MESSAGES: list[Message] = [
    Hello(1, 2, 3, 4),
    Publish(5, "/dev/shm/x/snapshot-5.mp", b"\x00\xff"),
    Publish(6, "/p"),
    Ack(0, 5),
    Drain(),
    Health(0, 1, 2, 3, 4, 5, 6),
]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 64, 4096])
def test_frames_survive_any_split(piece: int) -> None:
    stream = b"".join(encode_frame(message) for message in MESSAGES)
    decoder = FrameDecoder()
    seen: list[Message] = []
    for start in range(0, len(stream), piece):
        seen += decoder.feed(stream[start : start + piece])
    assert seen == MESSAGES


@pytest.mark.parametrize(
    "bad", [(MAX_FRAME_BYTES + 1).to_bytes(4, "big"), b"\x00\x00\x00\x01\xc1", b"\0\0\0\x02\x91\x01"]
)
def test_what_is_no_frame_is_an_error(bad: bytes) -> None:
    with pytest.raises(FrameError):
        FrameDecoder().feed(bad)


class Worker:
    """A worker's end that remembers what it was told."""

    def __init__(self, path: Path, index: int, version: int = 1) -> None:
        self.version = version
        self.drained = False
        self.refuse = False
        loop = asyncio.get_running_loop()
        self.channel = WorkerChannel(loop, str(path), index, 7, lambda: self.version, self.apply, self.drain)

    def apply(self, message: Publish) -> None:
        if self.refuse:
            raise ValueError("cannot load")
        self.version = message.version

    def drain(self) -> None:
        self.drained = True


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    def run(main: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await main()
            assert len(asyncio.all_tasks()) == 1

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(bounded())

    return run


def test_publish_reaches_all_and_is_acknowledged(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        hellos: list[Hello] = []
        acks: list[Ack] = []
        health: list[Health] = []
        server = ChannelServer(str(tmp_path / "s"), hellos.append, acks.append, health.append)
        await server.start()
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        workers = [Worker(tmp_path / "s", index) for index in range(2)]
        for worker in workers:
            worker.channel.start()
        assert await server.acknowledged(1, 2, 10)
        assert server.versions == {0: 1, 1: 1}
        assert sorted((hello.index, hello.epoch, hello.version) for hello in hellos) == [(0, 7, 1), (1, 7, 1)]
        assert server.publish(Publish(9, "/p")) == 2
        assert await server.acknowledged(9, 2, 10)
        assert [worker.version for worker in workers] == [9, 9]
        assert sorted(ack.index for ack in acks) == [0, 1]
        assert workers[0].channel.send(Health(0, 7, 1, 2, 3, 4, 5))
        await until(lambda: bool(health))
        assert server.drain(1)
        assert not server.drain(5)
        await until(lambda: workers[1].drained)
        assert not workers[0].drained
        for worker in workers:
            await worker.channel.close()
        await until(lambda: not server.versions)
        await server.close()

    run(main)


def test_a_worker_that_is_behind_is_told_on_hello(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        server = ChannelServer(str(tmp_path / "s"), lambda hello: Publish(3, "/p") if hello.version < 3 else None)
        await server.start()
        worker = Worker(tmp_path / "s", 0)
        worker.channel.start()
        assert await server.acknowledged(3, 1, 10)
        assert worker.version == 3
        await worker.channel.close()
        await server.close()

    run(main)


def test_a_version_that_cannot_be_applied_is_not_acknowledged(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        server = ChannelServer(str(tmp_path / "s"), lambda hello: None)
        await server.start()
        worker = Worker(tmp_path / "s", 0)
        worker.refuse = True
        worker.channel.start()
        assert await server.acknowledged(1, 1, 10)
        server.publish(Publish(2, "/p"))
        assert not await server.acknowledged(2, 1, 0.1)
        worker.refuse = False
        server.publish(Publish(3, "/p"))
        assert await server.acknowledged(3, 1, 10)
        await worker.channel.close()
        await server.close()

    run(main)


def test_a_worker_finds_a_restarted_server(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        worker = Worker(tmp_path / "s", 0)
        worker.channel.start()  # before there is a server at all
        await asyncio.sleep(0.05)
        for version in (2, 3):
            server = ChannelServer(str(tmp_path / "s"), lambda hello, v=version: Publish(v, "/p"))
            await server.start()
            assert await server.acknowledged(version, 1, 10)
            await server.close()
            await until(lambda: not worker.channel.connected)
        assert not worker.channel.send(Drain())
        await worker.channel.close()

    run(main)


def test_a_broken_peer_loses_its_connection_only(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        server = ChannelServer(str(tmp_path / "s"), lambda hello: None)
        await server.start()
        worker = Worker(tmp_path / "s", 0)
        worker.channel.start()
        assert await server.acknowledged(1, 1, 10)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"\xff" * 8)
        assert await reader.read() == b""
        writer.close()
        assert server.versions == {0: 1}
        await worker.channel.close()
        await server.close()

    run(main)

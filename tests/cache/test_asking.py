"""Questions and what is told, between a worker and the cache process over a real unix socket."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cache import answering
from gateway.cache import asking as module
from gateway.cache.answering import HELD_BYTES, Answering, serve_questions
from gateway.cache.asking import BACKLOG_BYTES, FLUSH_BYTES, MAX_FRAME_BYTES, Asking, NotAnswered
from tests.cache.loops import Run, until

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def connected(
    tmp_path: Path, handlers: Mapping[str, Callable[..., Any]]
) -> AsyncIterator[tuple[Asking, Answering]]:
    path = str(tmp_path / "cache.sock")
    answering = await serve_questions(path, handlers)
    asking = Asking(asyncio.get_running_loop(), path, timeout=30.0)
    asking.start()
    await until(lambda: asking.connected)
    yield asking, answering
    await asking.close()
    await answering.close()
    assert not Path(path).exists()


def test_answers_reach_whoever_asked_in_any_order(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        gates = [asyncio.Event() for _ in range(5)]

        async def wait(number: int) -> list[object]:
            await gates[number].wait()
            return [number, b"\x00\xff", None, 0.5]

        async with connected(tmp_path, {"wait": wait, "double": lambda n: 2 * n}) as (asking, _):
            assert (tmp_path / "cache.sock").stat().st_mode & 0o777 == 0o600
            waiting = [asking.ask("wait", number) for number in range(5)]
            assert await asking.ask("double", 21) == 42
            assert not any(future.done() for future in waiting)
            for number in (3, 0, 4, 1, 2):
                gates[number].set()
                assert await waiting[number] == [number, b"\x00\xff", None, 0.5]
            assert (asking.asked, asking.failed) == (6, 0)

    run(main)


def test_what_a_handler_says_is_what_the_worker_hears(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise NotAnswered("no model is configured")

    async def fail() -> None:
        raise KeyError("secret")

    async def main() -> None:
        handlers: dict[str, Callable[..., Any]] = {"refuse": refuse, "fail": fail, "thing": object}
        async with connected(tmp_path, handlers) as (asking, answering):
            for op, args, words in (
                ("refuse", (), r"^no model is configured$"),
                ("fail", (), r"^fail failed in the cache process \(KeyError\)$"),
                ("refuse", (1,), r"TypeError"),
                ("thing", (), r"TypeError"),
                ("nothing", (), r"knows no nothing$"),
            ):
                with pytest.raises(NotAnswered, match=words):
                    await asking.ask(op, *args)
            assert (answering.unknown, asking.failed) == (1, 5)

    run(main)
    assert "secret" in caplog.text


def test_a_late_answer_is_nobodys(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait(number: int) -> int:
            await gate.wait()
            return number

        async with connected(tmp_path, {"wait": wait, "same": lambda n: n}) as (asking, _):
            with pytest.raises(NotAnswered, match="within 10 ms"):
                await asking.ask("wait", 1, timeout=0.01)
            cancelled = asking.ask("wait", 2)
            cancelled.cancel()
            gate.set()
            assert await asking.ask("wait", 3) == 3
            assert await asking.ask("same", 4) == 4
            assert not asking._questions

    run(main)


def test_nobody_waits_for_a_cache_process_that_is_away(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        path = str(tmp_path / "cache.sock")
        asking = Asking(asyncio.get_running_loop(), path)
        asking.start()
        with pytest.raises(NotAnswered, match="away"):
            await asking.ask("same", 1)
        assert not asking.tell("put", 1)
        assert (asking.told, asking.dropped) == (0, 1)
        for _ in range(2):  # it comes, goes, and comes again
            answering = await serve_questions(path, {"same": lambda n: n})
            await until(lambda: asking.connected)
            assert await asking.ask("same", 7) == 7
            await answering.close()
            await until(lambda: not asking.connected)
        await asking.close()

    run(main)


def test_what_is_told_arrives_in_order_and_in_batches(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        batches: list[list[tuple[int, bytes]]] = []
        async with connected(tmp_path, {"put": batches.append, "count": lambda: len(batches)}) as (asking, answering):
            for number in range(1000):
                assert asking.tell("put", number, b"answer")
            assert asking.tell("nothing")
            assert batches == []
            asking.flush()
            assert await asking.ask("count") == len(batches) == 1
            assert batches[0] == [(number, b"answer") for number in range(1000)]
            await until(lambda: answering.unknown == 1)
            # Without a flush, a timer does it; and much is written before that.
            asking.tell("put", 1, b"")
            await until(lambda: len(batches) == 2)
            asking.tell("put", 2, bytes(FLUSH_BYTES))
            assert asking._pending_bytes == 0
            await until(lambda: sum(map(len, batches)) == 1002)
            assert (asking.told, asking.dropped) == (1003, 0)

    run(main)


def test_arguments_are_told_as_they_are_now(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        seen: list[Any] = []
        async with connected(tmp_path, {"put": seen.extend}) as (asking, _):
            value = [1, 2]
            asking.tell("put", value)
            value.append(3)
            with pytest.raises(TypeError):
                asking.tell("put", object())
            await until(lambda: seen)
            assert seen == [([1, 2],)]

    run(main)


def test_a_handler_that_is_slow_holds_back_the_worker_within_a_bound(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        taken = 0
        failing = [True]

        async def put(batch: list[tuple[bytes]]) -> None:
            nonlocal taken
            await gate.wait()
            taken += len(batch)
            if failing:
                failing.clear()
                raise OSError("disk full")

        piece = bytes(64 << 10)
        async with connected(tmp_path, {"put": put, "same": lambda n: n}) as (asking, _):
            for _ in range(1000):
                if not asking.tell("put", piece):
                    break
                await asyncio.sleep(0)
            told = asking.told
            # Room for what waits at both ends, in two sockets' buffers and a transport's.
            assert BACKLOG_BYTES <= told * len(piece) <= BACKLOG_BYTES + HELD_BYTES + (4 << 20)
            assert asking.dropped == 1
            gate.set()
            await until(lambda: taken == told)
            assert await asking.ask("same", 1) == 1
            assert asking.tell("put", piece)
            await until(lambda: taken == told + 1)

    run(main)


def test_what_was_told_is_written_before_a_worker_leaves(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def put(batch: list[Any]) -> None:
            await asyncio.sleep(0.01)
            seen.extend(batch)

        path = str(tmp_path / "cache.sock")
        answering = await serve_questions(path, {"put": put})
        asking = Asking(asyncio.get_running_loop(), path)
        asking.start()
        await until(lambda: asking.connected)
        for number in range(100):
            asking.tell("put", number, bytes(40_000))
        await asking.close()
        assert not asking.connected
        await until(lambda: len(seen) == 100)
        await answering.close()

    run(main)


def test_one_large_answer_is_told_whatever_the_backlog(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        seen: list[int] = []
        large = bytes(BACKLOG_BYTES + 1)
        async with connected(tmp_path, {"put": lambda batch: seen.extend(len(args[0]) for args in batch)}) as (
            asking,
            _,
        ):
            assert len(large) < MAX_FRAME_BYTES
            assert asking.tell("put", b"first")
            assert not asking.tell("put", large)
            asking.flush()
            assert asking.tell("put", large)
            await until(lambda: len(seen) == 2)
            assert seen == [5, len(large)]

    run(main)


def test_too_large_is_refused_on_either_side(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with connected(tmp_path, {"zeros": bytes, "length": len}) as (asking, _):
            # No larger one is sent, or taken.
            monkeypatch.setattr(module, "MAX_FRAME_BYTES", 1 << 20)
            monkeypatch.setattr(answering, "MAX_FRAME_BYTES", 1 << 20)
            for op, argument in (("zeros", 1 << 20), ("length", bytes(1 << 20))):
                with pytest.raises(NotAnswered, match="too large"):
                    await asking.ask(op, argument)
            assert await asking.ask("length", bytes(1_000_000)) == 1_000_000
            assert not asking.tell("length", bytes(1 << 20))
            monkeypatch.setattr(module, "MOST_UNDER_WAY", 2)
            first, second = asking.ask("zeros", 1), asking.ask("zeros", 2)
            with pytest.raises(NotAnswered, match="keep up"):
                await asking.ask("zeros", 3)
            assert [await first, await second] == [bytes(1), bytes(2)]

    run(main)


@pytest.mark.parametrize("bad", [b"\xff" * 8, b"\0\0\0\x01\xc1", b"\0\0\0\x02\x91\x01"])
def test_a_peer_that_speaks_something_else_loses_its_connection_only(tmp_path: Path, run: Run, bad: bytes) -> None:
    async def main() -> None:
        async with connected(tmp_path, {"same": lambda n: n}) as (asking, answering):
            reader, writer = await asyncio.open_unix_connection(answering.path)
            writer.write(bad)
            assert await reader.read() == b""
            writer.close()
            assert await asking.ask("same", 1) == 1

        left = asyncio.Event()

        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bad)
            assert await reader.read() == b""
            writer.close()
            left.set()

        path = str(tmp_path / "other.sock")
        server = await asyncio.start_unix_server(babble, path)
        asking = Asking(asyncio.get_running_loop(), path)
        asking.start()
        await left.wait()
        await asking.close()
        server.close()
        await server.wait_closed()

    run(main)


KILLED = """
import asyncio, sys
from gateway.cache.answering import serve_questions

async def main():
    await serve_questions(sys.argv[1], {"wait": lambda: asyncio.sleep(3600), "same": lambda n: n})
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_a_cache_process_killed_while_it_is_asked_fails_what_is_asked(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        path = str(tmp_path / "cache.sock")
        with subprocess.Popen([sys.executable, "-c", KILLED, path], cwd=ROOT) as process:
            await until(lambda: os.path.exists(path))
            asking = Asking(asyncio.get_running_loop(), path, timeout=3600.0)
            asking.start()
            await until(lambda: asking.connected)
            assert await asking.ask("same", 1) == 1
            waiting = [asking.ask("wait") for _ in range(10)]
            # What is written before it is known to be dead is not counted: its socket takes nothing for now.
            asking.pause_writing()
            asking.tell("put", b"on its way")
            os.kill(process.pid, signal.SIGKILL)
            for future in waiting:
                with pytest.raises(NotAnswered, match="gone"):
                    await future
        assert not asking.connected
        assert (asking.told, asking.dropped) == (0, 1)
        await asking.close()

    run(main)

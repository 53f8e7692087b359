"""A local model in a cache process of its own, and workers that ask it."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cache.answering import serve_questions
from gateway.cache.asking import Asking, NotAnswered
from gateway.cache.embedding import asked
from gateway.cache.embedding.asked import AskedEmbedder, Host
from gateway.cache.embedding.batching import Embedding
from gateway.cache.embedding.local import LocalModel
from gateway.cache.embedding.protocol import NotEmbedded
from tests.cache import tiny_model
from tests.cache.loops import Run, until
from tests.cache.tiny_model import DIMENSION, pooled

ROOT = Path(__file__).resolve().parents[2]
NEVER = 3600.0

PROCESS = """
import asyncio, sys
from gateway.cache.answering import serve_questions
from gateway.cache.embedding.asked import Host
from gateway.cache.embedding.local import LocalModel

async def main():
    host = Host(LocalModel.open(sys.argv[2]))
    await serve_questions(sys.argv[1], host.handlers())
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_workers_ask_the_cache_process(tmp_path: Path, run: Run) -> None:
    folder = tiny_model.make(tmp_path / "m")
    path = str(tmp_path / "cache.sock")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        asking = Asking(loop, path)
        embedder = AskedEmbedder(asking, "local:/models/tiny")
        made = Embedding(loop, embedder, NEVER)
        with subprocess.Popen([sys.executable, "-c", PROCESS, path, str(folder)], cwd=ROOT) as process:
            await until(lambda: os.path.exists(path))
            asking.start()
            await until(lambda: asking.connected)
            texts = ["reset my password", "router", "reset my password"]
            found = [made.vector_of(text) for text in texts]
            for text, one in zip(texts, found, strict=True):
                assert isinstance(one, asyncio.Future)
                vector = await one
                assert vector is not None
                assert struct.unpack("<4f", vector) == pytest.approx(pooled(text), abs=1e-6)
            assert made.calls == 1
            assert embedder.name == LocalModel.open(str(folder)).name
            assert embedder.dimension == DIMENSION
            os.kill(process.pid, signal.SIGSTOP)
            under_way = made.vector_of("how do i")
            assert isinstance(under_way, asyncio.Future)
            await until(lambda: asking._questions)
            os.kill(process.pid, signal.SIGKILL)
            assert await under_way is None
        after = made.vector_of("what")
        assert isinstance(after, asyncio.Future)
        assert await after is None
        assert made.failed == 2
        assert made.vector_of("router") is not None, "what is kept needs no process"
        await made.close()
        await asking.close()

    run(main)


def test_a_text_without_a_vector_is_at_fault_itself(tmp_path: Path, run: Run) -> None:
    table = tiny_model.TABLE.copy()
    table[tiny_model.WORDS.index("router")] = 0
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m", table=table)))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        host = Host(model)
        answering = await serve_questions(str(tmp_path / "s"), host.handlers())
        asking = Asking(loop, str(tmp_path / "s"))
        asking.start()
        await until(lambda: asking.connected)
        embedder = AskedEmbedder(asking, "local:x")
        with pytest.raises(NotEmbedded) as raised:
            await embedder.embed(["router"])
        assert raised.value.text_at_fault
        made = Embedding(loop, embedder, NEVER)
        found = [made.vector_of(text) for text in ("password", "router")]
        assert [isinstance(one, asyncio.Future) and bool(await one) for one in found] == [True, False]
        assert made.failed == 0
        await made.close()
        await asking.close()
        await answering.close()
        host.close()

    run(main)


def test_more_than_can_be_computed_is_refused(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MOST_WAITING", 2)
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m")))

    async def main() -> None:
        host = Host(model)
        calls = [asyncio.create_task(host.embed(["router"])) for _ in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(one, NotAnswered) for one in found] == [False, False, True]
        assert (await host.embed(["router"]))[1] == DIMENSION
        host.close()

    run(main)

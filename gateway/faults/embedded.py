"""The fault proxy for tests and benchmarks: in a thread of this process, or in a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import uvloop

from gateway.faults.meter import Call, Report
from gateway.faults.proxy import FaultProxy
from gateway.faults.reading import fault
from gateway.faults.schema import AnyFault, Setup, UpstreamEntry, plain

T = TypeVar("T")

START_TIMEOUT = 30.0
"""Seconds for a process to say its addresses; a busy machine takes its time to import."""
STOP_TIMEOUT = 10.0


class Faults(ABC):
    """A fault proxy that runs from ``with`` to its end. Upstreams default to the first one's name."""

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = Setup(upstreams={"provider": UpstreamEntry()}) if setup is None else setup
        self._first = next(iter(self.setup.upstreams))

    def __enter__(self) -> Self:
        """Returns once all ports listen. Raises OSError when one is taken."""
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def url(self, name: str = "") -> str:
        """Where callers find an upstream, without a path."""

    @abstractmethod
    def _replace(self, name: str, faults: list[AnyFault]) -> None: ...

    @abstractmethod
    def meter(self, name: str = "") -> Report:
        """What it served so far."""

    @abstractmethod
    def reset(self) -> None:
        """Begin all meters at nothing."""

    @abstractmethod
    def calls(self, name: str = "") -> list[Call]:
        """Its last calls, oldest first."""

    def set(self, *faults: AnyFault | str, name: str = "") -> None:
        """Replace the faults of an upstream, given as they are or as ``fault`` reads them. Raises ConfigError."""
        self._replace(name or self._first, [fault(each) if isinstance(each, str) else each for each in faults])

    def clear(self) -> None:
        """No more faults, and meters at nothing."""
        for name in self.setup.upstreams:
            self._replace(name, [])
        self.reset()


class InThread(Faults):
    """In a thread of this process."""

    def _open(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._proxy = FaultProxy(self.setup)
        self._thread = threading.Thread(target=self._loop.run_forever, name="faults")
        self._thread.start()
        try:
            self._run(self._proxy.start())
        except BaseException:
            self._end()
            raise

    def _close(self) -> None:
        self._run(self._proxy.close())
        self._run(_last_turns())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STOP_TIMEOUT)

    def url(self, name: str = "") -> str:
        return self._proxy.upstreams[name or self._first].url

    def _replace(self, name: str, faults: list[AnyFault]) -> None:
        self._run(self._proxy.upstreams[name].set(faults))

    def meter(self, name: str = "") -> Report:
        async def report() -> Report:
            return self._proxy.upstreams[name or self._first].meter.report()

        return self._run(report())

    def reset(self) -> None:
        async def reset() -> None:
            for upstream in self._proxy.upstreams.values():
                upstream.meter.reset()

        self._run(reset())

    def calls(self, name: str = "") -> list[Call]:
        async def calls() -> list[Call]:
            return [msgspec.structs.replace(call) for call in self._proxy.upstreams[name or self._first].meter.calls]

        return self._run(calls())


async def _last_turns() -> None:
    """Transports close, and the tasks of their calls end, in later turns of the loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)


class InProcess(Faults):
    """In a process of its own, asked through its control API."""

    def _open(self) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            file = Path(folder, "faults.json")
            file.write_text(json.dumps({**plain(self.setup), "control": self.setup.control or 0}))
            command = [sys.executable, "-m", "gateway.faults", "--config", str(file), "--json"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            out = self._process.stdout
            assert out is not None
            timer = threading.Timer(START_TIMEOUT, self._process.kill)
            timer.start()
            try:
                said = out.readline()
            finally:
                timer.cancel()
            if not said:
                self._close()
                raise OSError(f"the fault proxy did not start (exit status {self._process.returncode})")
            told = json.loads(said)
            self._urls: dict[str, str] = told["upstreams"]
            self.control_url = str(told["control"])

    def _close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(self.control_url).netloc, timeout=STOP_TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(json.loads(data)["error"])
        return data

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def url(self, name: str = "") -> str:
        return self._urls[name or self._first]

    def _replace(self, name: str, faults: list[AnyFault]) -> None:
        self._ask("PUT", f"/faults/{quote(name)}", plain(faults))

    def meter(self, name: str = "") -> Report:
        return msgspec.json.decode(self._ask("GET", f"/meter/{quote(name or self._first)}"), type=Report)

    def reset(self) -> None:
        self._ask("DELETE", "/meter")

    def calls(self, name: str = "") -> list[Call]:
        return msgspec.json.decode(self._ask("GET", f"/calls/{quote(name or self._first)}"), type=list[Call])

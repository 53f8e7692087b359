"""Both event loops, a certificate authority and TLS servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop

from tests.upstream.servers import Authority, TlsServer


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], Awaitable[Any]]], Any]]:
    """Run a coroutine function on a fresh loop; fails when it leaves an exception nobody retrieved."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    complaints: list[dict[str, Any]] = []

    def call(main: Callable[[], Awaitable[Any]]) -> Any:
        async def guarded() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            return await main()

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(guarded())

    yield call
    assert not complaints


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_server() -> Iterator[Callable[..., TlsServer]]:
    servers: list[TlsServer] = []

    def start(certificate: tuple[str, str], **options: Any) -> TlsServer:
        servers.append(TlsServer(certificate, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()

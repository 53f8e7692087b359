"""Instances of the real gateway, and upstreams that do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream

Start = Callable[..., Gateway]


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    """Answers every request with a small chat completion; behind the shared instance."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def shared_gateway(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One instance for all tests that change nothing about it."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), configuration(shared_upstream.url)).start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream of the test's own."""
    with Upstream() as server:
        yield server


def _starting(folders: pytest.TempPathFactory) -> Iterator[Start]:
    running: list[Gateway] = []

    def start(config: dict[str, Any] | None, **options: Any) -> Gateway:
        gateway = Gateway(folders.mktemp("gateway"), config, **options)
        running.append(gateway)
        return gateway.start()

    yield start
    failures = []
    for gateway in running:
        try:
            gateway.stop()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture
def start_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start instances with a configuration of the test's own; they are stopped, and have to stop cleanly, after it."""
    yield from _starting(tmp_path_factory)


@pytest.fixture(scope="module")
def start_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """The same for instances that serve all tests of a module."""
    yield from _starting(tmp_path_factory)


@pytest.fixture(scope="module")
def upstream_for_module() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def gateway(upstream: Upstream, start_gateway: Start) -> Gateway:
    """An instance of the test's own, before the test's own upstream."""
    return start_gateway(configuration(upstream.url))

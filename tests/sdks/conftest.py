"""One gateway before providers of every dialect, for all tests of SDKs."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator

import httpx
import httpx2
import pytest
import requests

from tests.live.instance import Gateway
from tests.live.upstreams import Upstream
from tests.live.wire import KEY
from tests.sdks.world import TARGETS, provider


@pytest.fixture(autouse=True)
def no_blame_for_sdks() -> Iterator[None]:
    """Some SDKs leave the connection of a stream that failed to the garbage collector, which warns of it: at the end of
    the test, or whenever it runs before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Upstream(provider) as upstream:
        origin = upstream.url.removesuffix("/v1")
        config = {
            "providers": {
                name: {
                    "dialect": dialect,
                    "vendor": "custom",
                    "base_url": f"{origin}/{dialect}",
                    "keys": [{"name": "k", "value": "sk-upstream-canary"}],
                    "list_models": False,
                    "models": ["the-model"],
                    **({"operations": ["chat"]} if dialect == "openai_chat" else {}),
                }
                for name, dialect in TARGETS.items()
            },
            "routes": {f"{name}-model": {"targets": [f"{name}/the-model"]} for name in TARGETS},
            "virtual_keys": [{"name": "test", "value": KEY}],
            "model_lists": {"refresh": 0},
            "retry": {"attempts": 1},
            "server": {"drain_timeout": "3s"},
        }
        gateway = Gateway(tmp_path_factory.mktemp("gateway"), config).start()
        try:
            yield gateway
        finally:
            # Libraries keep their clients for as long as the process lives.
            gc.unfreeze()
            for kept in gc.get_objects():
                loop = isinstance(kept, asyncio.AbstractEventLoop) and not kept.is_running()
                if loop or isinstance(kept, httpx.Client | httpx2.Client | requests.Session):
                    kept.close()
            gateway.stop()

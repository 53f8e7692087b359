from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.ui import browser as browsers
from tests.ui.browser import PATIENCE_MS, Admin, Window
from tests.ui.seed import seed, vendors


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with browsers.browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def fresh(start_for_module: Start) -> Gateway:
    """An instance nobody has set up, with the demo's models."""
    gateway = start_for_module(None, more=["--demo"])
    gateway.wait_for_control()
    return gateway


@pytest.fixture(scope="module")
def seeded(start_for_module: Start) -> Iterator[Gateway]:
    """An instance with something of everything, and the operator of ``browser.py``."""
    with vendors() as port:
        gateway = start_for_module({}, more=["--demo"])
        gateway.wait_for_control()
        seed(Admin(gateway), port)
        yield gateway


@pytest.fixture(scope="module")
def session(chromium: Browser, seeded: Gateway) -> StorageState:
    """What the browser keeps of somebody who has logged in."""
    window = Window(chromium, seeded.base_url)
    window.log_in()
    state = window.context.storage_state()
    window.close()
    return state


@pytest.fixture
def window(chromium: Browser, seeded: Gateway, session: StorageState) -> Iterator[Window]:
    """Logged in at the seeded instance; what went wrong in it fails the test."""
    window = Window(chromium, seeded.base_url, state=session)
    yield window
    window.close()

"""The documentation under /docs in a real browser: on a phone, light and dark, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.live.instance import Gateway
from tests.ui.browser import PHONE, WIDTH, Window, serious

QUICK = ("scrollable-region-focusable", "link-name", "heading-order", "landmark-one-main", "page-has-heading-one")
"""Rules that depend on what stands on a page; the rest is looked at where all kinds of text are."""
KINDS = ("", "search?q=budget", "getting-started", "api-reference")


@pytest.fixture
def reader(chromium: Browser, fresh: Gateway) -> Iterator[Window]:
    """Nobody in particular, with a phone."""
    window = Window(chromium, fresh.base_url, viewport=PHONE)
    yield window
    window.close()


def faults(window: Window, *rules: str) -> list[str]:
    page = window.page
    found = serious(page, *rules)
    width = page.evaluate(WIDTH)
    return [*found, *([f"{width} px wide"] if width > PHONE["width"] else [])]


def test_every_page_is_without_fault(reader: Window) -> None:
    page = reader.page
    page.emulate_media(color_scheme="dark")
    page.goto(f"{reader.base_url}/docs/")
    links = page.locator("nav#pages a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(links) > 40
    found = {}
    for path in links:
        page.goto(f"{reader.base_url}{path}")
        expect(page.locator("main h1")).to_have_count(1)
        if told := faults(reader, *QUICK):
            found[path] = told
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_each_kind_can_be_read(reader: Window, scheme: Literal["light", "dark"]) -> None:
    reader.page.emulate_media(color_scheme=scheme)
    for name in KINDS:
        reader.page.goto(f"{reader.base_url}/docs/{name}")
        assert faults(reader) == []


def test_a_page_that_is_not_there_looks_like_one(reader: Window) -> None:
    page = reader.page
    reader.expected = {404}
    for path in ("/docs/nothing", "/docs/nothing/at/all", "/docs/ui.md"):
        page.goto(f"{reader.base_url}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("No such page")
        assert faults(reader) == []
        page.get_by_role("navigation", name="Pages").get_by_role("link").first.click()
        expect(page.locator("main h1")).to_have_count(1)

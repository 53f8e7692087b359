"""Every page in a real browser: nothing in the console, nothing against the policy, and anybody can use it.

axe's rules are WCAG 2.1 A and AA and best practices; serious and critical findings fail.
"""

from __future__ import annotations

import gzip
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.live.instance import Gateway
from tests.live.wire import ask, request
from tests.ui.browser import NAME, PAGES, PASSWORD, PHONE, Window, serious
from tests.waiting import wait_for


def findings(window: Window, path: str) -> list[str]:
    """What is wrong with a page, light and dark, and on a phone."""
    page = window.page
    window.open(path)
    found = [f"light: {each}" for each in serious(page)]
    window.scheme(dark=True)
    found += [f"dark: {each}" for each in serious(page, "color-contrast")]
    if (width := window.on_a_phone()) > PHONE["width"]:
        wide = page.evaluate(
            "most => [...document.querySelectorAll('main *')].filter(each => each.getBoundingClientRect().right > most)"
            ".slice(0, 3).map(each => each.outerHTML.slice(0, 160))",
            PHONE["width"],
        )
        found.append(f"390 px: {width} px wide: {wide}")
    found += [f"390 px: {each}" for each in serious(page)]
    return found


@pytest.mark.parametrize("path", [*PAGES, "password"])
def test_a_page_is_without_fault(window: Window, path: str) -> None:
    assert findings(window, path) == []


def test_pages_before_the_log_in_are_without_fault(chromium: Browser, seeded: Gateway) -> None:
    for path in ("login", "setup"):
        window = Window(chromium, seeded.base_url)
        assert findings(window, path) == []
        window.close()


def test_who_is_not_logged_in_is_led_there_and_back(chromium: Browser, seeded: Gateway) -> None:
    window = Window(chromium, seeded.base_url)
    page = window.page
    window.open("routes?search=fast")
    page.wait_for_url("**/ui/login?back=*")
    window.expected = {401}
    page.get_by_label("Name").fill(NAME)
    page.locator("input[type=password]").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/routes?search=fast")
    # The session ends elsewhere: the next answer says so, and the way leads back.
    page.context.clear_cookies()
    page.reload()
    page.wait_for_url("**/ui/login?back=%2Froutes*")
    # The bare address will do.
    page.goto(seeded.base_url)
    page.wait_for_url("**/ui/login*")
    window.close()


def test_an_address_of_no_page_leads_on(window: Window) -> None:
    window.expected = {404}
    window.open("nothing/here")
    expect(window.page.get_by_role("heading", name="There is no such page", level=1)).to_be_visible()
    assert serious(window.page) == []
    window.page.get_by_role("link", name="To the start").click()
    window.page.wait_for_url("**/ui/dashboard")


def test_the_navigation_by_keyboard(window: Window) -> None:
    page = window.page
    window.open("prices")

    def is_led_there() -> bool:
        # The second key counts for a second behind the first: a busy machine may take longer over the two.
        page.keyboard.type("gr")
        return page.url.endswith("/ui/routes")

    wait_for(is_led_there, "the page of routes")
    expect(page.get_by_role("heading", level=1)).to_have_text("Routes")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_a_first_request_is_seen_without_the_stream(window: Window) -> None:
    """It ends before the stream is open, or while it is lost."""
    page = window.page
    window.expected = {503}
    page.route("**/api/live*", lambda route: route.fulfill(status=503))
    window.open("welcome")
    page.get_by_role("radio", name="demo").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Make a virtual key").click()
    expect(page.get_by_role("status").filter(has_text="is lost; trying again")).to_be_visible()
    page.get_by_role("button", name="Or send it from here").click()
    expect(page.get_by_text("It has arrived")).to_be_visible()


def test_the_scheme_is_kept(window: Window) -> None:
    page = window.page
    window.open("prices")
    page.get_by_role("button", name="Colour scheme").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_who_logs_out_is_out(chromium: Browser, seeded: Gateway) -> None:
    window = Window(chromium, seeded.base_url)
    window.log_in()
    window.page.get_by_role("button", name=f"Account of {NAME}").click()
    window.page.get_by_role("menuitem", name="Log out").click()
    window.page.wait_for_url("**/ui/login")
    window.page.goto(f"{window.base_url}/ui/keys")
    window.page.wait_for_url("**/ui/login?back=*")
    window.close()


def test_a_viewer_sees_what_it_may(chromium: Browser, seeded: Gateway) -> None:
    window = Window(chromium, seeded.base_url)
    window.log_in("reader")
    window.settled()
    expect(window.page.get_by_role("link", name="Audit")).to_have_count(0)
    for path in ("dashboard", "logs", "providers", "routes", "keys", "prices", "settings", "playground"):
        window.open(path)
    window.close()


def test_files_come_compressed_to_who_takes_that(seeded: Gateway) -> None:
    page = ask(seeded.port, request("GET", "/ui/", None, "")).body.decode()
    script = re.findall(r"/ui/assets/[^\"]+\.js", page)[0]
    whole = ask(seeded.port, request("GET", script, None, ""))
    packed = ask(seeded.port, request("GET", script, None, "", fields=[("Accept-Encoding", "br, gzip")]))
    assert whole.header("content-encoding") is None
    assert packed.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == whole.body

"""From an empty installation to a key that is revoked, in a real browser: what an operator does on the first day."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from gateway.operators import setup_secret
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.ui.browser import NAME, PASSWORD, Admin, Window
from tests.ui.seed import provider, vendors


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with vendors() as port:
        yield port


@pytest.fixture(scope="module")
def empty(start_for_module: Start) -> Gateway:
    gateway = start_for_module({"model_lists": {"refresh": 0}}, more=["--demo"])
    gateway.wait_for_control()
    return gateway


def test_the_first_day(chromium: Browser, empty: Gateway, upstream: int) -> None:
    window = Window(chromium, empty.base_url)
    page = window.page
    admin = Admin(empty)

    # The link that was printed; the secret does not stay in the address.
    page.goto(f"{empty.base_url}/ui/setup#secret={setup_secret.pending(str(empty.data_dir))}")
    page.get_by_label("Your name").fill(NAME)
    page.locator("input[autocomplete=new-password]").fill(PASSWORD)
    assert "mg-setup" not in page.url
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/ui/welcome")

    # The tour: a provider, a key, a request that is seen as it arrives.
    page.get_by_role("radio", name="demo").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Make a virtual key").click()
    expect(page.get_by_text("This key is shown now and never again")).to_be_visible()
    key = page.locator("code", has_text="sk-mg-").first.inner_text().strip()
    expect(page.get_by_text("Waiting for your request")).to_be_visible()
    live = window.context.new_page()
    live.goto(f"{empty.base_url}/ui/live")
    # What ends before it listens stands in the log alone.
    expect(live.get_by_role("status").filter(has_text=re.compile("^live$"))).to_be_visible()
    page.get_by_role("button", name="Or send it from here").click()
    expect(page.get_by_text("It has arrived")).to_be_visible()
    expect(live.get_by_text("echo").first).to_be_visible()
    live.close()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("link", name="See it in the log").click()
    page.wait_for_url("**/ui/logs*")
    expect(page.get_by_text("echo").first).to_be_visible()

    # A budget that one request exhausts.
    provider(admin, "house", f"http://127.0.0.1:{upstream}/v1", ("main", 1))
    admin.make("prices", "dear", provider="house", model="gpt-4o-mini", input=1000, output=1000)
    window.open("keys")
    page.get_by_role("button", name="first-").click()
    page.get_by_role("dialog").get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Add a budget").click()
    page.get_by_label("Amount of budget 1").fill("0.05")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Add a budget")).to_be_hidden()
    statuses = [admin.chat(key, "house/gpt-4o-mini", max_tokens=20) for _ in range(10)]
    assert statuses[-1] == 402, statuses
    assert 200 in statuses

    # A route is edited, and says where it would go.
    admin.make("routes", "fast", targets=["house/gpt-4o-mini"])
    window.open("routes")
    page.get_by_role("button", name="fast").click()
    page.wait_for_url("**/ui/routes?open=fast")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("Asked first:")).to_be_visible()
    page.get_by_role("textbox", name="Name").fill("quick")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/ui/routes")
    window.open("routes")
    expect(page.get_by_role("button", name="quick")).to_be_visible()

    # The playground streams an answer.
    window.open("playground")
    model = page.get_by_role("textbox", name="Model").or_(page.get_by_role("combobox", name="Model")).first
    model.fill("demo/echo")
    page.keyboard.press("Escape")
    page.get_by_label("Message").fill("What a nice gateway")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Copy the answer")).to_be_visible()
    expect(page.get_by_role("log").get_by_text("What a nice gateway")).to_have_count(2)

    # Revoked: the next request is refused.
    window.open("keys")
    page.get_by_role("button", name="first-").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").last.get_by_role("button", name="Revoke").last.click()
    expect(page.get_by_role("button", name="first-")).to_have_count(0)
    assert admin.chat(key, "demo/echo") == 401
    window.close()

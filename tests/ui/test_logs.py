"""What happened, as the browser shows it: Live, the log, what became of a request, views, exports."""

from __future__ import annotations

import csv
import re

from playwright.sync_api import expect

from tests.live.instance import Gateway
from tests.ui.browser import Admin, Window


def make_key(gateway: Gateway, name: str) -> str:
    key: str = Admin(gateway).make("virtual-keys", name)["key"]
    return key


def test_a_request_appears_in_live_and_in_the_log(window: Window, seeded: Gateway) -> None:
    key, page = make_key(seeded, "watcher"), window.page
    window.open("live")
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
    assert Admin(seeded).chat(key, "demo/echo", stream=True) == 200
    row = page.locator("tbody tr").filter(has_text="watcher").first
    row.click()
    dialog = page.get_by_role("dialog", name="Request", exact=True)
    expect(dialog.get_by_text("Answered in full.")).to_be_visible()
    expect(dialog.get_by_role("heading", name="Where the time went")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    assert Admin(seeded).chat(key, "demo/error-503") == 503
    window.open("logs?key=watcher&status=503")
    page.locator("tbody a[data-row]").first.click()
    page.wait_for_url(re.compile("/ui/logs/[0-9a-f]{32}"))
    steps = dialog.get_by_role("list", name="Steps of the decision")
    expect(steps.get_by_role("listitem").first).to_contain_text("answered 503")
    # Its address leads to it again.
    page.reload()
    expect(steps).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("**/ui/logs?key=watcher&status=503")
    window.expected = {404}
    page.goto(f"{window.base_url}/ui/logs/{'0' * 32}")
    expect(dialog.get_by_text("No such request in the log")).to_be_visible()


def test_filters_views_and_exports(window: Window, seeded: Gateway) -> None:
    page, key = window.page, make_key(seeded, "breaker")
    assert [Admin(seeded).chat(key, f"demo/{model}") for model in ("echo", "error-500")] == [200, 500]
    window.open("logs")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("textbox", name="Status").fill("500")
    page.get_by_role("textbox", name="Status").press("Enter")
    page.wait_for_url("**/ui/logs?status=500")
    window.settled()
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("demo/error-500")
    assert {"500"} == set(page.locator("tbody tr td:nth-child(2)").all_inner_texts())

    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view").click()
    page.get_by_label("Name").fill("Broken")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_url("**/ui/logs")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Broken", exact=True).click()
    page.wait_for_url("**/ui/logs?status=500")

    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="CSV").click()
    with download.value.path().open(newline="") as file:
        assert {line["status"] for line in csv.DictReader(file)} == {"500"}

    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Remove the view Broken").click()
    expect(page.get_by_text("Removed the view Broken")).to_be_visible()


def test_rows_are_reached_by_keyboard(window: Window) -> None:
    page = window.page
    window.open("logs")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tbody a[data-row]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Request", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("**/ui/logs")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_charts_are_tables_as_well(window: Window) -> None:
    page = window.page
    window.open("dashboard")
    page.get_by_role("button", name="Requests: show as a table").click()
    expect(page.get_by_role("table", name="Requests, the newest first")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
    expect(page.get_by_role("region", name="Requests a second")).to_be_visible()

"""What happened, as the browser shows it: Live, the log, what became of a request, views, exports; and that names and
texts of strangers are text."""

from __future__ import annotations

import csv
import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from tests.live.instance import Gateway
from tests.ui.browser import Admin, Window
from tests.waiting import wait_for

SCRIPTS = (
    "<script>{}</script>", "<img src=x onerror={}>", "<svg onload={}>", "<svg/onload={}>", "<body onload={}>",
    "<iframe src=javascript:{}>", "<a href=javascript:{}>x</a>", "javascript:{}", '"><script>{}</script>',
    "'><img src=x onerror={}>", '" onmouseover={} x="', "' onfocus={} autofocus x='", "</title><script>{}</script>",
    "</textarea><script>{}</script>", "<details open ontoggle={}>", "<video><source onerror={}>",
    "<math><mtext></p><img src=x onerror={}>", "<input autofocus onfocus={}>",
    "{{{{constructor.constructor('{}')()}}}}",
    "${{{}}}",
)  # fmt: skip
CALLS = ("alert(1)", "alert`1`", "top['al'+'ert'](1)")
PAYLOADS = [script.format(call) for script in SCRIPTS for call in CALLS]


def make_key(gateway: Gateway, name: str) -> str:
    key: str = Admin(gateway).make("virtual-keys", name)["key"]
    return key


def recorded(gateway: Gateway, query: str) -> None:
    """Until the log has a request like that."""
    wait_for(lambda: Admin(gateway).ask("GET", f"/api/logs?{query}")["entries"], f"a request with {query}")


def listens(page: Page) -> None:
    """Until the page is told of what ends from now on."""
    expect(page.get_by_role("status").filter(has_text=re.compile("^live$"))).to_be_visible()


def test_a_request_appears_in_live_and_in_the_log(window: Window, seeded: Gateway) -> None:
    key, page = make_key(seeded, "watcher"), window.page
    window.open("live")
    listens(page)
    assert Admin(seeded).chat(key, "demo/echo", stream=True) == 200
    row = page.locator("tbody tr").filter(has_text="watcher").first
    row.click()
    dialog = page.get_by_role("dialog", name="Request", exact=True)
    expect(dialog.get_by_text("Answered in full.")).to_be_visible()
    expect(dialog.get_by_role("heading", name="Where the time went")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    assert Admin(seeded).chat(key, "demo/error-503") == 503
    recorded(seeded, "key=watcher&status=503")
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
    recorded(seeded, "key=breaker&status=500")
    window.open("logs")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("textbox", name="Status").fill("500")
    page.get_by_role("textbox", name="Status").press("Enter")
    page.wait_for_url("**/ui/logs?status=500")
    statuses = page.locator("tbody tr td:nth-child(2)")
    expect(statuses.filter(has_not_text="500")).to_have_count(0)
    expect(page.locator("tbody tr").first).to_contain_text("demo/error-500")

    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view").click()
    page.get_by_label("Name").fill("Broken")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_url("**/ui/logs")
    expect(statuses.filter(has_text="200").first).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Broken", exact=True).click()
    page.wait_for_url("**/ui/logs?status=500")
    expect(statuses.filter(has_not_text="500")).to_have_count(0)

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
    # It gives the focus back when it is gone.
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("tbody a[data-row]").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_charts_are_tables_as_well(window: Window) -> None:
    page = window.page
    window.open("dashboard")
    page.get_by_role("button", name="Requests: show as a table").click()
    expect(page.get_by_role("table", name="Requests, the newest first")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    listens(page)
    expect(page.get_by_role("region", name="Requests a second")).to_be_visible()


def test_what_strangers_write_is_text(window: Window, seeded: Gateway) -> None:
    """I3: in models, prompts, answers (the demo repeats what it is asked), user agents and views."""
    page, key, ran = window.page, make_key(seeded, "stranger"), []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    admin = Admin(seeded)
    window.open("live")
    listens(page)
    for payload in PAYLOADS:
        ask(seeded, key, payload)
    view = {"name": PAYLOADS[0], "page": "logs", "query": {"model": PAYLOADS[0]}, "shared": True}
    admin.ask("POST", "/api/views", view)
    expect(page.get_by_role("cell", name=PAYLOADS[-1], exact=True).first).to_be_visible()
    window.open("logs?key=stranger&range=3600")
    page.get_by_role("button", name="Views").click()
    expect(page.get_by_role("menuitem", name=PAYLOADS[0])).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Older").click()
    expect(page.locator("tbody a[data-row]")).to_have_count(len(PAYLOADS))
    assert set(page.locator("tbody tr td:nth-child(3)").all_inner_texts()) == set(PAYLOADS)
    for place in range(0, len(PAYLOADS), 6):
        page.locator("tbody a[data-row]").nth(place).click()
        dialog = page.get_by_role("dialog", name="Request", exact=True)
        expect(dialog).to_contain_text(PAYLOADS[-1 - place])
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    window.open("dashboard?by=model&key=stranger")
    assert ran == []


def ask(gateway: Gateway, key: str, payload: str) -> None:
    """A request whose model nobody has, with the payload wherever a caller writes."""
    body = {"model": payload, "messages": [{"role": "user", "content": payload}], "user": payload}
    fields = {"authorization": f"Bearer {key}", "content-type": "application/json", "user-agent": payload}
    request = urllib.request.Request(f"{gateway.base_url}/v1/chat/completions", json.dumps(body).encode(), fields)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 404
    refused.value.read()

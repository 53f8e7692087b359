"""Playground, prices, settings, users and audit as somebody uses them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.instance import Gateway
from tests.ui.browser import NAME, PASSWORD, Admin, Window

ECHO, PACED = "openai/echo", "openai/words-5000+pace-20ms"


@pytest.fixture
def admin(seeded: Gateway) -> Admin:
    return Admin(seeded)


def ask(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def test_two_models_answer_side_by_side(window: Window) -> None:
    page = window.page
    keys: list[str] = []
    page.on("request", lambda asked: keys.append(asked.url) if asked.url.endswith("/api/playground") else None)
    window.open(f"playground?model={ECHO}")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("textbox", name="Model 2").fill("openai/echo+pace-1ms")
    page.keyboard.press("Escape")
    text = "<b>No markup</b>\n```html\n<img src=x onerror=alert(1)>\n```"
    ask(page, text)
    answers = page.locator(".turn-answer[data-state=done]")
    expect(answers).to_have_count(2)
    # A second one would end the first.
    assert len(keys) == 1
    for each in (answers.nth(0), answers.nth(1)):
        expect(each.locator(".said-text")).to_have_text("<b>No markup</b>")
        expect(each.get_by_role("region", name="Code html")).to_have_text("<img src=x onerror=alert(1)>")
        # What a stream took is known from its end, what it cost from its record.
        for figure in ("first", "total", "tokens", "cost"):
            expect(each.locator(f"[data-figure={figure}]")).to_be_visible()
    assert page.locator(".said img, .said b").count() == 0
    page.get_by_role("button", name="openai/echo", exact=True).click()
    expect(page.get_by_text("Straight to the provider")).to_be_visible()


def test_a_stream_is_stopped_and_a_refusal_is_told(window: Window) -> None:
    page = window.page
    window.open(f"playground?model={PACED.replace('+', '%2B')}")
    ask(page, "Go on")
    answer = page.locator(".turn-answer")
    expect(answer.locator(".said-text")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_have_attribute("data-state", "stopped")
    window.expected = {404}
    window.open("playground?model=nobody/knows-it")
    ask(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("model_not_found")


def test_tools_are_called_and_told(window: Window) -> None:
    page = window.page
    window.open("playground?model=openai/gpt-4o-mini")
    page.get_by_role("button", name="Tools").click()
    page.get_by_role("button", name="Insert a sample").click()
    ask(page, "How warm is it?")
    page.get_by_role("textbox", name="Result of get_weather").fill('{"temperature": 21}')
    page.get_by_role("button", name="Send the result").click()
    expect(page.locator(".turn-answer").nth(1)).to_contain_text('{"temperature": 21}')


def test_settings_that_somebody_else_changed(window: Window, admin: Admin) -> None:
    page = window.page
    window.expected = {412}
    window.open("settings?group=timeouts")
    field = page.get_by_role("textbox", name="Connect")
    field.fill("2500ms")
    expect(page.locator("[data-in-force=connect] + span")).to_have_text("default")
    [version] = [each["version"] for each in admin.ask("GET", "/api/settings")["entries"] if each["name"] == "timeouts"]
    fields = {"authorization": f"Bearer {admin.token}", "if-match": f'"{version}"'}
    body = {"spec": {"connect": "9s"}}
    assert page.request.put(f"{admin.base_url}/api/settings/timeouts", data=body, headers=fields).ok
    save = page.get_by_role("button", name="Save", exact=True)
    save.click()
    notice = page.get_by_role("alert").filter(has_text="Somebody changed")
    expect(notice).to_contain_text("The admin token did")
    expect(notice).to_contain_text("connect")
    notice.get_by_role("button", name="Keep editing").click()
    expect(notice).to_be_hidden()
    expect(field).to_have_value("2500ms")
    save.click()
    expect(page.locator("[data-in-force=connect]")).to_have_text("2.5s")
    expect(save).to_be_disabled()
    page.get_by_role("button", name="Reset to the defaults").click()
    page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(page.locator("[data-in-force=connect]")).to_have_text("3s")
    # All of it is in the audit, and can be read there.
    window.open("audit?kind=setting")
    page.get_by_role("button", name="update setting timeouts").first.click()
    changed = page.get_by_role("table", name="What changed")
    expect(changed.get_by_role("row", name="spec.connect")).to_contain_text("2.5")


def test_a_price_is_set_where_there_is_none(window: Window) -> None:
    page = window.page
    window.open("prices")
    page.get_by_role("textbox", name="Search prices").fill("openai")
    expect(page.get_by_role("button", name="Open the rule house-rate").first).to_be_visible()
    window.open("prices?tab=rules&provider=openai&model=echo")
    page.get_by_role("textbox", name="Input").fill("1.5")
    page.get_by_role("textbox", name="Output", exact=True).fill("3")
    page.get_by_role("button", name="Make").click()
    rule = page.get_by_role("row", name="openai/echo")
    rule.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(rule).to_be_hidden()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def test_an_operator_comes_and_goes(chromium: Browser, seeded: Gateway, window: Window) -> None:
    page = window.page
    window.open("users")
    page.get_by_role("button", name="Add an operator").click()
    page.get_by_role("textbox", name="Name").fill("guest")
    page.get_by_role("button", name="Generate one").click()
    page.get_by_role("button", name="Make").click()
    password = page.get_by_role("region", name="Copy the password").inner_text()
    page.get_by_role("button", name="Done").click()
    guest = page.get_by_role("row", name="guest")
    expect(guest).to_contain_text("has to set a password")
    theirs = Window(chromium, seeded.base_url)
    theirs.page.goto(f"{seeded.base_url}/ui/login?back=/prices")
    theirs.page.get_by_label("Name").fill("guest")
    theirs.page.locator("input[type=password]").fill(password)
    theirs.page.keyboard.press("Enter")
    # Whoever was given a password sets another one before anything else.
    theirs.page.get_by_role("heading", name="Set your own password").wait_for()
    theirs.open("prices")
    theirs.page.wait_for_url("**/ui/password")
    for place, text in enumerate((password, PASSWORD, PASSWORD)):
        theirs.page.locator("input[type=password]").nth(place).fill(text)
    theirs.page.get_by_role("button", name="Set the password").click()
    theirs.page.get_by_role("navigation", name="Pages").wait_for()
    # A viewer has its own tokens here, and asks no model.
    theirs.open("users")
    expect(theirs.page.get_by_role("heading", level=1)).to_have_text("API tokens")
    theirs.open("playground")
    expect(theirs.page.get_by_text("This needs the role operator; yours is viewer.").first).to_be_visible()
    theirs.close()
    window.open("users")
    expect(guest).to_contain_text("may log in")
    guest.get_by_role("button").click()
    page.get_by_role("dialog", name="Operator guest").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog", name="Remove guest?").get_by_role("button", name="Remove").click()
    expect(guest).to_be_hidden()
    # Who is here keeps who is here.
    page.get_by_role("row", name=f"{NAME} you").get_by_role("button").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Remove")).to_be_disabled()


def test_the_configuration_is_exported_without_secrets(window: Window) -> None:
    page = window.page
    window.open("settings")
    page.get_by_role("button", name="Export").click()
    text = page.get_by_role("region", name="Copy the file").inner_text()
    assert "house-rate" in text
    assert "sk-openai-" not in text
    assert PASSWORD not in text
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "microgate.yaml"
    assert "house-rate" in saved.value.path().read_text()

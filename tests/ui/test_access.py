"""Providers, routes and virtual keys in a real browser: made, tried, edited by two at once, used up and revoked."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, expect

from tests.live.instance import Gateway
from tests.live.test_virtual_keys_api import Desk
from tests.ui.browser import DESK, PASSWORD, PHONE, Admin, Window, serious


def entity(admin: Admin, kind: str, name: str) -> dict[str, Any]:
    entries = admin.ask("GET", f"/api/{kind}?limit=1000")["entries"]
    found: dict[str, Any] = next(each for each in entries if each["name"] == name)
    return found


def without_fault(window: Window) -> None:
    """Of what is open over the page too, on a phone as well."""
    assert serious(window.page) == []
    assert window.on_a_phone() <= PHONE["width"]
    assert serious(window.page) == []
    window.page.set_viewport_size(DESK)


def test_a_provider_is_tried_and_added(window: Window, seeded: Gateway) -> None:
    page, admin = window.page, Admin(seeded)
    url = entity(admin, "providers", "openai")["spec"]["base_url"]
    window.open("providers?new=1")
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Vendor").click()
    page.get_by_role("option", name="custom: any compatible server").click()
    form.get_by_role("textbox", name="Name", exact=True).fill("mine")
    form.get_by_label("Base URL").fill(url)
    form.get_by_role("textbox", name="Value", exact=True).fill("sk-mine-0123456789abcdef")
    form.get_by_label("It may lie in a private network, or be asked without TLS").check()
    form.get_by_role("button", name="Test key").click()
    expect(form.get_by_text("The key works")).to_be_visible()
    without_fault(window)
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    row = page.get_by_role("row").filter(has_text="mine")
    expect(row.get_by_text("1 of 1 key usable")).to_be_visible()
    assert entity(admin, "providers", "mine")["spec"]["keys"][0]["value"] == "...cdef"


def test_a_key_is_shown_once_held_to_its_budget_and_revoked(window: Window, seeded: Gateway) -> None:
    page, admin = window.page, Admin(seeded)
    window.open("keys?new=1")
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name", exact=True).fill("shown-once")
    form.get_by_role("button", name="Add a budget").click()
    form.get_by_label("Amount of budget 1").fill("0.001")
    form.get_by_role("button", name="Create the virtual key").click()
    once = page.get_by_role("dialog", name="The key of shown-once")
    key = once.get_by_role("region", name="Copy the key").inner_text().strip()
    assert key.startswith("sk-mg-")
    assert key in once.get_by_role("region", name="Copy the command").inner_text()
    without_fault(window)
    once.get_by_role("button", name="I have kept it").click()
    detail = page.get_by_role("dialog", name="shown-once")
    expect(detail.get_by_text("This key: Budget per month")).to_be_visible()
    assert key not in page.content()
    assert admin.chat(key, "fast", max_tokens=2) == 200
    assert admin.chat(key, "fast", max_tokens=2000) == 402
    without_fault(window)
    detail.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog", name="Revoke the key shown-once?").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert admin.chat(key, "fast") == 401


def test_a_route_is_tried_before_it_is_saved(window: Window, seeded: Gateway) -> None:
    page, admin = window.page, Admin(seeded)
    admin.make("routes", "tried", targets=["openai/gpt-4o-mini"], fallbacks=["openai/error-503"])
    window.open("routes?open=tried")
    trial = page.get_by_role("region", name="Dry run")
    trial.get_by_role("button", name="Dry run").click()
    expect(trial.get_by_text("Asked first: the only target")).to_be_visible()
    page.get_by_label("Condition of target 1").fill("stream")
    trial.get_by_role("button", name="Dry run").click()
    expect(trial.get_by_text("its condition is false")).to_be_visible()
    trial.get_by_label("Streamed").check()
    trial.get_by_role("button", name="Dry run").click()
    expect(trial.get_by_text("Condition holds")).to_be_visible()
    without_fault(window)
    page.get_by_label("Condition of target 1").fill("stream &&")
    expect(trial.get_by_text("Told before the latest changes")).to_be_visible()
    name = page.get_by_role("textbox", name="Name")
    name.fill("two words")
    expect(page.get_by_text("without blanks")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    name.fill("tried")
    window.expected |= {400}
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("It cannot be used like this")).to_be_visible()
    page.get_by_label("Condition of target 1").fill("stream")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/ui/routes")
    target = {"provider": "openai", "model": "gpt-4o-mini", "when": "stream"}
    assert entity(admin, "routes", "tried")["spec"] == {"targets": [target], "fallbacks": ["openai/error-503"]}


def test_who_comes_second_is_told_and_may_go_on(window: Window, seeded: Gateway) -> None:
    page, admin = window.page, Admin(seeded)
    admin.make("routes", "shared", targets=["openai/a"])
    window.open("routes?open=shared")
    made = entity(admin, "routes", "shared")
    other = {"spec": {"targets": ["openai/theirs"]}}
    assert Desk(seeded).ask("PUT", made["path"], other, version=made["version"]).status == 200
    page.get_by_label("Model of target 1").fill("mine")
    window.expected |= {412}
    page.get_by_role("button", name="Save").click()
    notice = page.get_by_role("alert").filter(has_text="Somebody changed the route shared meanwhile")
    expect(notice).to_be_visible()
    without_fault(window)
    notice.get_by_role("button", name="Load theirs").click()
    expect(page.get_by_label("Model of target 1")).to_have_value("theirs")
    page.get_by_label("Model of target 1").fill("mine")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/ui/routes")
    assert entity(admin, "routes", "shared")["spec"]["targets"] == ["openai/mine"]


def test_nothing_typed_is_lost(window: Window, seeded: Gateway) -> None:
    """By a key that closes, by a way to elsewhere, by closing the tab, by the session's end; a dialog over another one
    closes alone."""
    page = window.page
    window.open("keys")
    page.get_by_role("button", name="bob").click()
    detail = page.get_by_role("dialog", name="bob")
    detail.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog", name="Revoke the key bob?").get_by_role("button", name="Cancel").press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(1)
    detail.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit the virtual key bob")
    form.get_by_role("button", name="Add a limit").click()
    amount = form.get_by_label("Amount of limit 1")
    amount.fill("77")
    ask = page.get_by_role("dialog", name="Leave without saving?")
    for leave in (lambda: amount.press("Escape"), lambda: page.evaluate("() => history.back()")):
        leave()
        ask.get_by_role("button", name="Keep editing").click()
        expect(ask).to_be_hidden()
        expect(amount).to_have_value("77")
    with page.expect_event("dialog") as asking:
        page.close(run_before_unload=True)
    assert asking.value.type == "beforeunload"
    asking.value.dismiss()
    expect(amount).to_have_value("77")
    page.context.clear_cookies()
    window.expected |= {401}
    form.get_by_role("button", name="Save").click()
    again = page.get_by_role("dialog", name="Your session has ended")
    again.get_by_label("Password").fill(PASSWORD)
    assert serious(page) == []
    again.get_by_role("button", name="Log in").click()
    expect(again).to_be_hidden()
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    assert entity(Admin(seeded), "virtual-keys", "bob")["spec"]["limits"] == [{"requests": 77, "per": 60.0}]
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []


def test_several_keys_at_once(window: Window, seeded: Gateway) -> None:
    page, admin = window.page, Admin(seeded)
    made = [str(admin.make("virtual-keys", f"many-{number}")["key"]) for number in range(3)]
    window.open("keys")
    page.get_by_role("textbox", name="Search virtual keys").fill("many-")
    expect(page.locator("tbody tr")).to_have_count(3)
    first = page.get_by_role("checkbox", name="Choose many-0")
    stood = first.bounding_box()
    page.get_by_role("checkbox", name="Choose all virtual keys shown").check()
    several = page.get_by_role("group", name="Chosen keys")
    expect(several).to_be_visible()
    assert first.bounding_box() == stood
    first.uncheck()
    several.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("2 keys switched off")).to_be_visible()
    assert [admin.chat(key, "demo/echo") for key in made] == [200, 401, 401]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back")).to_be_visible()
    assert [admin.chat(key, "demo/echo") for key in made] == [200, 200, 200]
    page.get_by_role("checkbox", name="Choose all virtual keys shown").check()
    several.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog", name="Revoke 3 keys?")
    dialog.get_by_label("Type 3 to confirm").fill("3")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Nothing here")).to_be_visible()
    assert [admin.chat(key, "demo/echo") for key in made] == [401, 401, 401]


def test_what_an_address_names_is_found_or_told(window: Window) -> None:
    page = window.page
    # As if it stood on a later page of the list.
    page.route("**/api/virtual-keys?limit=100", lambda route: route.fulfill(json={"entries": [], "next": None}))
    window.open("keys?open=bob")
    expect(page.get_by_role("dialog", name="bob")).to_be_visible()
    for path, text in (("keys", "virtual key"), ("routes", "route"), ("providers", "provider")):
        window.open(f"{path}?open=nobody")
        expect(page.get_by_text(f"There is no {text} nobody")).to_be_visible()


def test_a_viewer_sees_and_changes_nothing(chromium: Browser, seeded: Gateway) -> None:
    window = Window(chromium, seeded.base_url)
    window.log_in("reader", PASSWORD)
    for path, button in (("providers", "Add a provider"), ("routes", "New route"), ("keys", "New virtual key")):
        window.open(path)
        expect(window.page.get_by_role("button", name=button)).to_be_disabled()
    window.open("routes?open=fast")
    expect(window.page.get_by_text("This needs the role operator; yours is viewer.").first).to_be_visible()
    expect(window.page.get_by_role("button", name="Save")).to_have_count(0)
    assert serious(window.page) == []
    window.close()

"""Similar questions as the page of the cache shows them: its figures are those of the API, what is nearest is told, and
a threshold is set from the curve."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.test_cache import chat, send
from tests.live.test_entities_api import Api
from tests.live.test_similar import ANOTHER, SENTENCE, SIMILAR, answering, similar
from tests.live.upstreams import Upstream
from tests.live.wire import KEY
from tests.ui.browser import NAME, PASSWORD, PHONE, Admin, Window, serious
from tests.waiting import wait_for

SAID = {"2 accounts": "Reset each of the two separately, please.", "password": "Open the settings and choose security."}


@pytest.fixture(scope="module")
def asked(start_for_module: Start, upstream_for_module: Upstream) -> Gateway:
    """In shadow mode, set through the API: a question, one like it, and one that only looks like it."""
    upstream_for_module.script = answering(SAID)
    settings = similar(upstream_for_module, mode="shadow", threshold=0.75)
    gateway = start_for_module({name: value for name, value in settings.items() if name != "cache"})
    gateway.wait_for_control()
    api = Api(gateway)
    api.told("PUT", "/api/settings/cache", {"spec": settings["cache"]}, 0)
    wait_for(lambda: api.told("GET", "/api/cache")["running"], "the cache process")
    Admin(gateway).ask("POST", "/api/operators", {"name": NAME, "role": "admin", "password": PASSWORD})

    def known() -> bool:
        """Asked again only after a while: one that comes just as it is kept would be compared with itself."""
        send(gateway, chat(SENTENCE))
        again = time.monotonic() + 5
        while not (found := bool(explained(gateway, SIMILAR).get("nearest"))) and time.monotonic() < again:
            time.sleep(0.01)
        return found

    wait_for(known, "a question that is known")
    for text in (SIMILAR, ANOTHER):
        assert send(gateway, chat(text)).status == 200
    until(api, "compared", 2)
    return gateway


def until(api: Api, name: str, value: object) -> dict[str, Any]:
    """What is told of similar questions once it says this. A cache process that is busy for two seconds is left out."""

    def told() -> dict[str, Any] | None:
        found: dict[str, Any] = api.told("GET", "/api/cache")["semantic"] or {}
        return found if found.get(name) == value else None

    return wait_for(told, f"{value} as {name} of similar questions") or {}


def explained(gateway: Gateway, text: str) -> dict[str, Any]:
    """Nothing as long as the worker has no such cache."""
    found: dict[str, Any] = json.loads(send(gateway, chat(text), KEY, **{"": "explain"}).body)
    return found.get("similar") or {}


def test_figures_the_nearest_and_a_threshold(chromium: Browser, asked: Gateway) -> None:
    window, api = Window(chromium, asked.base_url), Api(asked)
    window.log_in(to="cache")
    page = window.page
    curve = {each["threshold"]: each for each in until(api, "compared", 2)["curve"]}
    counts = [curve[0.75][name] for name in ("hits", "wrong", "plain_hits", "plain_wrong")]
    assert counts == [1, 0, 2, 1]
    explorer = page.get_by_role("region", name="Threshold explorer")
    said = explorer.get_by_role("status")
    expect(said).to_have_text(
        re.compile("From 0.75 on, with the guard: 1 of [0-9]+ look-ups would be hits .*, and 0 of")
    )
    explorer.get_by_label("With the guard").uncheck()
    expect(said).to_have_text(
        re.compile("without the guard: 2 of [0-9]+ look-ups would be hits .*, and 1 of these wrong")
    )
    trial = page.get_by_role("region", name="Explain a request")
    for text, told in ((SENTENCE + " Now?", "would be told"), (ANOTHER + " Now?", "the guard forbids it")):
        trial.get_by_label("Body of a chat request").fill(json.dumps(chat(text)))
        trial.get_by_label("Virtual key", exact=True).fill(KEY)
        trial.get_by_role("button", name="Explain").click()
        row = trial.get_by_role("table", name="Nearest questions").get_by_role("row").filter(has_text=SENTENCE)
        expect(row).to_contain_text(told)
    assert serious(page) == []
    page.set_viewport_size(PHONE)
    window.settled()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size({"width": 1440, "height": 900})
    explorer.get_by_role("slider", name="Threshold").press("ArrowRight")
    explorer.get_by_role("link", name="Set it").click()
    expect(page.get_by_role("textbox", name="Threshold", exact=True)).to_have_value("0.76")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[data-in-force=threshold]")).to_have_text("0.76")
    assert api.told("GET", "/api/cache")["settings"]["semantic"]["threshold"] == 0.76
    window.close()


def test_verified_mode_is_explained_while_it_learns(chromium: Browser, asked: Gateway) -> None:
    """It has no threshold, and nothing is sure yet of what shadow mode compared."""
    api = Api(asked)
    [group] = [each for each in api.told("GET", "/api/settings")["entries"] if each["name"] == "cache"]
    spec = {**group["spec"], "semantic": {**group["spec"]["semantic"], "mode": "verified"}}
    api.told("PUT", "/api/settings/cache", {"spec": spec}, group["version"])
    told = until(api, "mode", "verified")
    assert told["observations"] == 1
    window = Window(chromium, asked.base_url)
    window.log_in(to="cache")
    page = window.page
    expect(page.get_by_text("It is still learning: 1 answer was compared, and none is sure enough yet")).to_be_visible()
    rows = page.get_by_role("table", name="Similar questions").get_by_role("row")
    for name, value in (("Looked up", told["lookups"]), ("Learned from", 1), ("Sure enough", told["would_be_hits"])):
        expect(rows.filter(has_text=name).get_by_role("cell").first).to_have_text(str(value))
    explorer = page.get_by_role("region", name="Threshold explorer")
    expect(explorer.get_by_text("No threshold is in force in verified mode")).to_be_visible()
    expect(explorer.get_by_text("in force", exact=True)).to_have_count(0)
    window.close()


def test_another_embedder_begins_with_nothing(asked: Gateway) -> None:
    """Cosines of different ones do not compare: neither questions nor what was learned of them are taken over."""
    api = Api(asked)
    [group] = [each for each in api.told("GET", "/api/settings")["entries"] if each["name"] == "cache"]
    spec = {**group["spec"], "semantic": {**group["spec"]["semantic"], "embedder": "mock/other"}}
    api.told("PUT", "/api/settings/cache", {"spec": spec}, group["version"])
    assert until(api, "embedder", "mock/other")["compared"] == 0
    assert explained(asked, SIMILAR + " Now?")["nearest"] == []

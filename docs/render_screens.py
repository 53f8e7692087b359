"""Draws every page of the web interface into docs/screens: ``python docs/render_screens.py [PAGE...]``.

A gateway of its own with something of everything, and a day behind it; Debian's chromium; at 1440 and 390 px, light and
dark.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import StorageState, expect

from tests.live.instance import Gateway
from tests.ui.browser import DESK, PAGES, PATIENCE_MS, PHONE, Admin, Window, browser
from tests.ui.day import a_day, ids_of
from tests.ui.seed import ask_around, seed, vendors

SCREENS = Path(__file__).resolve().parent / "screens"
PATHS = {"dashboard": "dashboard?range=86400", "playground": "playground?model=openai/gpt-4o-mini"}
"""Of those that are more to look at with something chosen."""
BEFORE_THE_LOG_IN = ("login", "setup")


def draw(window: Window, page: str, prepare: Callable[[Window, str], None]) -> None:
    window.open(PATHS.get(page, page))
    prepare(window, page)
    for width, viewport in (("1440", DESK), ("390", PHONE)):
        window.page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            window.scheme(dark=scheme == "dark")
            window.settled()
            window.page.screenshot(path=SCREENS / f"{page}-{width}-{scheme}.png", animations="disabled")
    window.page.set_viewport_size(DESK)


def main() -> None:
    SCREENS.mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    wanted = sys.argv[1:] or [*BEFORE_THE_LOG_IN, *PAGES]
    with tempfile.TemporaryDirectory() as folder, vendors() as port, browser() as chromium:
        gateway = Gateway(Path(folder), {"cache": {"enabled": True}}).start()
        try:
            gateway.wait_for_control()
            admin = Admin(gateway)
            keys = seed(admin, port, requests=0)
            ids = ids_of(admin)
            gateway.stop()
            a_day(str(gateway.data_dir), ids)
            gateway.start()
            gateway.wait_for_control()
            ask_around(admin, keys, 60)

            def prepare(window: Window, page: str) -> None:
                if page == "live":
                    expect(window.page.get_by_role("status").filter(has_text="live")).to_be_visible()
                    ask_around(admin, keys, 24)
                    expect(window.page.locator("tbody tr").nth(20)).to_be_visible()
                    # The figures of a second come once it is over.
                    expect(window.page.locator(".figure").last).to_have_text(re.compile(r"\d"))
                elif page == "playground":
                    window.page.get_by_role("textbox", name="Message").fill("What does a gateway for models do?")
                    window.page.keyboard.press("Enter")
                    expect(window.page.locator(".turn-answer[data-state=done]")).to_have_count(1)

            state: StorageState | None = None
            for page in wanted:
                inside = page not in BEFORE_THE_LOG_IN
                window = Window(chromium, gateway.base_url, state=state if inside else None)
                if inside and state is None:
                    window.log_in()
                    state = window.context.storage_state()
                draw(window, page, prepare)
                window.close()
                print(page)
        finally:
            gateway.stop()


if __name__ == "__main__":
    main()

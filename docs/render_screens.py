"""Draws every page of the web interface into docs/screens: ``python docs/render_screens.py [PAGE...]``.

A gateway of its own with something of everything, Debian's chromium; at 1440 and 390 px, light and dark.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.live.instance import Gateway
from tests.ui.browser import DESK, PAGES, PHONE, Admin, Window, browser
from tests.ui.seed import seed, vendors

SCREENS = Path(__file__).resolve().parent / "screens"


def draw(window: Window, page: str) -> None:
    window.open(page)
    for width, viewport in (("1440", DESK), ("390", PHONE)):
        window.page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            window.scheme(dark=scheme == "dark")
            window.settled()
            window.page.screenshot(path=SCREENS / f"{page}-{width}-{scheme}.png", animations="disabled")
    window.page.set_viewport_size(DESK)


def main() -> None:
    SCREENS.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or ["login", "setup", *PAGES]
    with tempfile.TemporaryDirectory() as folder, vendors() as port, browser() as chromium:
        gateway = Gateway(Path(folder), {}, more=["--demo"]).start()
        try:
            gateway.wait_for_control()
            seed(Admin(gateway), port, requests=60)
            for page in wanted:
                window = Window(chromium, gateway.base_url)
                if page not in ("login", "setup"):
                    window.log_in()
                draw(window, page)
                window.close()
                print(page)
        finally:
            gateway.stop()


if __name__ == "__main__":
    main()

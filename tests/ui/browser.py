"""A real browser in front of a real gateway; what goes wrong in it is kept, and fails the test."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.live.instance import Gateway
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "gateway" / "control" / "static"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
NAME, PASSWORD = "me", "a long enough password"
PATIENCE_MS = PATIENCE_S * 1000

TELL_VIOLATIONS = (
    "document.addEventListener('securitypolicyviolation', event => "
    "console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))"
)
WIDTH = "() => document.documentElement.scrollWidth"
PAGES = (
    "dashboard", "live", "logs", "alerts", "playground", "providers", "routes", "keys", "cache", "prices", "settings",
    "users", "audit", "welcome",
)  # fmt: skip
"""Of who is logged in, each at its own path."""


def executable() -> str:
    found = os.environ.get("MICROGATE_CHROMIUM") or shutil.which("chromium")
    assert found, "no chromium (apt-get install chromium)"
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    assert (STATIC / "SOURCES").exists(), "the web interface is not built: make .venv/interface"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield chromium
        finally:
            chromium.close()


class Window:
    """One page of a context of its own (no cookie, no storage), at a gateway."""

    def __init__(
        self, chromium: Browser, base_url: str, viewport: ViewportSize = DESK, state: StorageState | None = None
    ) -> None:
        self.base_url = base_url
        self.context = chromium.new_context(
            viewport=viewport, reduced_motion="reduce", color_scheme="light", storage_state=state
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(TELL_VIOLATIONS)
        self.problems: list[str] = []
        """Errors in the console, exceptions, violations of the policy, requests that failed or went elsewhere."""
        self.expected: set[int] = set()
        """Statuses of answers that the test itself causes."""
        self.page: Page = self.context.new_page()
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            text = message.text
            if not any(f"status of {status}" in text for status in self.expected):
                self.problems.append(f"console: {text}")

    def _failed(self, request: Request) -> None:
        # What a page that was left had asked for is given up.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:")):
            self.problems.append(f"asked elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.problems.append(f"{response.status}: {response.request.method} {response.url}")

    def open(self, path: str) -> None:
        """A page by its path below /ui, once it shows what it has to show."""
        self.page.goto(f"{self.base_url}/ui/{path}")
        self.settled()

    def settled(self) -> None:
        """A heading is there, and nothing is being loaded."""
        self.page.locator("h1").first.wait_for()
        # No wait for a function: that would evaluate text, which the page's policy forbids.
        expect(self.page.locator("[aria-busy=true], .mantine-Skeleton-root[data-visible]")).to_have_count(
            0, timeout=PATIENCE_MS
        )
        self.page.evaluate("() => document.fonts.ready.then(() => new Promise(done => requestAnimationFrame(done)))")

    def on_a_phone(self) -> int:
        """Turn the window into a phone's; how wide the page is there."""
        self.page.set_viewport_size(PHONE)
        self.settled()
        end = time.monotonic() + PATIENCE_S
        while (width := int(self.page.evaluate(WIDTH))) > PHONE["width"] and time.monotonic() < end:
            # Charts follow the window a moment later.
            self.page.wait_for_timeout(20)
        return width

    def log_in(self, name: str = NAME, password: str = PASSWORD, to: str = "prices") -> None:
        page = self.page
        page.goto(f"{self.base_url}/ui/login?back=/{to}")
        page.get_by_label("Name").fill(name)
        page.locator("input[type=password]").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"**/ui/{to}")
        self.settled()

    def scheme(self, dark: bool) -> None:
        self.page.evaluate(
            "scheme => document.documentElement.setAttribute('data-mantine-color-scheme', scheme)",
            "dark" if dark else "light",
        )

    def close(self) -> None:
        """Fails when something went wrong."""
        self.context.close()
        assert self.problems == [], "\n".join(self.problems)


def serious(page: Page, *rules: str) -> list[str]:
    """What axe finds that is serious or critical: rule, where, why. ``rules``: only these."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    found: list[dict[str, Any]] = page.evaluate(
        "rules => axe.run(document, {resultTypes: ['violations'], ...(rules.length ? {runOnly: rules} : {})})"
        ".then(told => told.violations)",
        list(rules),
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@cache
def _axe() -> str:
    return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()


class Admin:
    """/api with the admin token, to make what a test begins with."""

    def __init__(self, gateway: Gateway) -> None:
        self.base_url = gateway.base_url
        self.token = (gateway.data_dir / "admin.token").read_text().strip()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        fields = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(self.base_url + path, data, fields, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def make(self, kind: str, name: str, **spec: object) -> Any:
        return self.ask("POST", f"/api/{kind}", {"name": name, "spec": spec})

    def chat(self, key: str, model: str, text: str = "Hello, gateway", **more: object) -> int:
        """The status of one answer."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        fields = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.base_url}/v1/chat/completions", json.dumps(body).encode(), fields)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.read()
            return int(error.code)

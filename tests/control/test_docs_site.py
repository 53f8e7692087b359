"""/docs: every page there is, nothing that is not, and nothing that runs."""

from __future__ import annotations

import asyncio
import re
from html import escape
from pathlib import Path
from typing import Any

import pytest

from gateway.control.docs_pages import GROUPS, Pages, reference
from gateway.control.docs_site import DocsSite

ROOT = Path(__file__).resolve().parents[2]
PAGES = Pages.built()
OPERATION = {"summary": "<b>s</b>", "responses": {"200": {"description": "<i>"}}}
SITE = DocsSite(PAGES, lambda: {"paths": {"/api/x": {"get": OPERATION}}})


def ask(path: str, query: bytes = b"", method: str = "GET") -> tuple[int, dict[str, str], str]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"method": method, "raw_path": path.encode("latin-1"), "query_string": query, "headers": []}
    asyncio.run(SITE(scope, None, send))
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields, sent[1]["body"].decode()


@pytest.mark.parametrize("name", sorted(PAGES.texts))
def test_every_page_is_served_and_its_links_lead_somewhere(name: str) -> None:
    status, fields, body = ask(f"/docs/{name}")
    assert (status, fields["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<title>{escape(PAGES.titles[name])} · microgate</title>" in body
    assert not re.search(r"<script|\son\w+=|style=|javascript:", body.split("<main", 1)[0])
    assert "<script" not in body
    anchors = set(re.findall(r'id="([^"]+)"', body))
    for target in re.findall(r'href="([^"]+)"', body.split("<main", 1)[1]):
        if target.startswith("/docs/"):
            page, _, fragment = target.removeprefix("/docs/").partition("#")
            assert page == "" or page in PAGES.texts, (name, target)
            if fragment and page in PAGES.texts:
                assert f'id="{fragment}"' in PAGES.html(page), (name, target)
        elif target.startswith("#"):
            assert target[1:] in anchors, (name, target)


def test_the_pages_are_those_of_the_source() -> None:
    assert PAGES.texts.keys() == {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {name for _heading, names in GROUPS for name in names} <= PAGES.texts.keys()
    assert {name for _heading, names in PAGES.groups for name in names} == PAGES.texts.keys()


TRAVERSAL = (
    "/docs/../README",
    "/docs/..%2freadme",
    "/docs/%2e%2e/pyproject.toml",
    "/docs/....//x",
    "/docs//etc/passwd",
    "/docs/routing.md",
    "/docs/routing/",
    "/docs/Routing",
    "/docs/%00",
    "/docs/routing%00",
    "/docs/\\..\\x",
    "/docs/.git/config",
    "/docs/style.css/..",
)


@pytest.mark.parametrize("path", TRAVERSAL)
def test_there_is_nothing_else(path: str) -> None:
    assert ask(path)[0] == 404


def test_what_may_run() -> None:
    for path in ("/docs", "/docs/", "/docs/routing", "/docs/search", "/docs/api-reference", "/docs/none"):
        policy = ask(path)[1]["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"script-src|unsafe|\*", policy)
        assert ask(path)[1]["x-content-type-options"] == "nosniff"
    assert ask("/docs/style.css")[1]["content-type"].startswith("text/css")
    assert ask("/docs", method="POST")[0] == 405
    assert ask("/docs/routing", method="HEAD")[2] == ""


def test_the_search() -> None:
    _, _, body = ask("/docs/search", b"q=context_window_fallbacks")
    assert '<a href="/docs/migration">' in body.split("<main", 1)[1]
    for asked in (b"q=", b"q=nothing-like-this-anywhere", b"", b"q=%ff%00", b"q=" + b"a+" * 9000):
        assert ask("/docs/search", asked)[0] == 200
    _, _, body = ask("/docs/search", b"q=%3Cscript%3Ealert(1)%3C/script%3E%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E")
    assert "<script" not in body
    assert "<img" not in body


def test_markdown_makes_no_elements_of_its_own() -> None:
    hostile = Pages(
        {
            "x": "# <script>alert(1)</script>\n\n<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](http://evil/x.png)\n"
        }
    )
    body = hostile.html("x")
    assert not re.search(r"<script|<img|href=\"javascript", body)


def test_the_reference_is_made_of_the_description() -> None:
    body = reference({"paths": {"/api/<x>": {"get": OPERATION}}})
    assert "/api/&lt;x&gt;" in body
    assert "<b>s" not in body

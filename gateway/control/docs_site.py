"""The documentation under /docs: pages, a search, a style sheet. No path that is asked for reaches the file system.

Like the page of /ui it knows no secret, and is anybody's who asks under a name of the gateway's
(``gateway/admin_door.py``). Nothing runs in it: the policy allows one style sheet and a form that asks for a search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from gateway.control.docs_pages import HERE, Pages, reference
from gateway.control.web import FIELDS, Fields, Scope

POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
MOST_ASKED = 200
"""Characters of a search."""
API_REFERENCE = "api-reference"
STYLE = "style.css"
HTML = b"text/html; charset=utf-8"

Answer = tuple[int, Fields, bytes]


class DocsSite:
    """An ASGI application for /docs and what is below it. ``openapi``: the description of /api, made when needed."""

    def __init__(self, pages: Pages, openapi: Callable[[], dict[str, Any]]) -> None:
        self._pages = pages
        self._openapi = openapi
        self._reference = ""

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        status, fields, body = await asyncio.to_thread(self._answer, scope)
        fields = [*fields, *FIELDS, (b"content-security-policy", POLICY), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return (
                405,
                [(b"content-type", b"text/plain"), (b"allow", b"GET, HEAD")],
                b"GET and HEAD only.\n",
            )
        # As it was asked for: a path in another spelling is another path.
        name = scope["raw_path"].decode("latin-1").removeprefix("/docs").removeprefix("/")
        if name == STYLE:
            style = (files("gateway.control") / "docs_style.css").read_bytes()
            return 200, [(b"content-type", b"text/css; charset=utf-8"), (b"cache-control", b"max-age=3600")], style
        if not name:
            return self._page(200, "", "Documentation", self._index())
        if name == "search":
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), errors="replace").get("q", [""])[0]
            return self._page(200, "", "Search", self._found(asked[:MOST_ASKED]), asked[:MOST_ASKED])
        if name == API_REFERENCE:
            self._reference = self._reference or reference(self._openapi())
            return self._page(200, name, "The admin API", self._reference)
        if name in self._pages.texts:
            return self._page(200, name, self._pages.titles[name], self._pages.html(name))
        return self._page(404, "", "No such page", "<h1>No such page</h1><p>The pages are listed at the side.</p>")

    def _page(self, status: int, name: str, title: str, body: str, asked: str = "") -> Answer:
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
            f'content="light dark"><title>{escape(title)} · microgate</title>'
            '<link rel="icon" href="/ui/mark.svg">'
            f'<link rel="stylesheet" href="{HERE}{STYLE}"></head><body>'
            '<a class="skip" href="#content">To the content</a>'
            f'<header><a class="home" href="{HERE}">microgate</a><form action="{HERE}search" role="search">'
            f'<label for="q">Search</label><input id="q" name="q" type="search" maxlength="{MOST_ASKED}" '
            f'value="{escape(asked)}"><button>Search</button></form>'
            '<a class="to-pages" href="#pages">Pages</a><a href="/ui/">Interface</a></header>'
            f'<div class="columns"><nav id="pages" aria-label="Pages">{self._navigation(name)}'
            f'</nav><main id="content">{body}</main></div></body></html>'
        )
        return status, [(b"content-type", HTML), (b"cache-control", b"no-cache")], text.encode()

    def _navigation(self, current: str) -> str:
        out = []
        for heading, names in self._pages.groups:
            out.append(f"<h2>{escape(heading)}</h2><ul>{''.join(self._entry(name, current) for name in names)}")
            if heading == "Operate":
                out.append(self._link(API_REFERENCE, "The admin API", current))
            out.append("</ul>")
        return "".join(out)

    def _entry(self, name: str, current: str) -> str:
        return self._link(name, self._pages.titles[name], current)

    def _link(self, name: str, title: str, current: str) -> str:
        here = ' aria-current="page"' if name == current else ""
        return f'<li><a href="{HERE}{escape(name)}"{here}>{escape(title)}</a></li>'

    def _index(self) -> str:
        lists = [
            f"<h2>{escape(heading)}</h2><ul>{''.join(self._entry(name, '') for name in names)}</ul>"
            for heading, names in self._pages.groups
        ]
        return "<h1>Documentation</h1>" + "".join(lists)

    def _found(self, asked: str) -> str:
        found = self._pages.search(asked)
        if not found:
            why = f"Nothing was found for “{escape(asked)}”." if asked.strip() else "What are you looking for?"
            return f"<h1>Search</h1><p>{why}</p>"
        items = "".join(
            f'<li><a href="{HERE}{escape(each.name)}">{escape(each.title)}</a><p>… {escape(each.excerpt)} …</p></li>'
            for each in found
        )
        return f'<h1>Search</h1><ul class="found">{items}</ul>'

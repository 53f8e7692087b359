"""The pages under docs/ as HTML: rendered from Markdown, one by one, when they are first asked for.

No page has a script, and no element comes from the text itself: HTML in Markdown is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

HERE = "/docs/"
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Begin", ("getting-started", "demo", "sdks", "ui", "migration")),
    ("Call it", ("api", "dialects", "streams", "realtime", "stateful", "receipt", "errors", "translation-matrix")),
    (
        "Providers and routing",
        ("providers", "credentials", "models", "routing", "conditions", "prompt-caching", "cache"),
    ),
    ("Keys and money", ("virtual-keys", "limits", "prices", "usage")),
    ("Operate", ("configuration", "running", "operators", "secrets", "databases", "overload", "building")),
    ("See", ("dashboard", "request-log", "access-log", "metrics", "tracing", "alerts")),
    ("Trust", ("reliability", "fault-matrix", "faults", "bench", "embedding")),
)
"""The pages in the order of the navigation; those of no group stand at its end."""
MOST_FOUND = 40
EXCERPT = 160
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_PAGE = re.compile(r"(?:\.\./docs/)?([a-z0-9-]+)\.md(#.*)?")


class Found(NamedTuple):
    """A page that a search found."""

    name: str
    title: str
    excerpt: str


class Pages:
    """Every page there is: name -> Markdown."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self._html: dict[str, str] = {}
        self._lowered = {name: text.lower() for name, text in texts.items()}
        self.titles = {name: title_of(name, text) for name, text in texts.items()}

    @classmethod
    def built(cls) -> Pages:
        """Those in the package, else those of the checkout that this is."""
        packed = files("gateway.control") / "pages"
        folder: Any = packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "docs"
        found = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
        return cls({entry.name[:-3]: entry.read_text("utf-8") for entry in found if entry.name.endswith(".md")})

    @cached_property
    def groups(self) -> list[tuple[str, list[str]]]:
        """Headings of the navigation and the pages below each."""
        grouped = [(heading, [name for name in names if name in self.texts]) for heading, names in GROUPS]
        known = {name for _heading, names in GROUPS for name in names}
        rest = [name for name in self.texts if name not in known]
        return [(heading, names) for heading, names in (*grouped, ("More", rest)) if names]

    def html(self, name: str) -> str:
        """The body of a page. Raises KeyError."""
        found = self._html.get(name)
        if found is None:
            found = self._html[name] = rendered(self.texts[name])
        return found

    def search(self, asked: str) -> list[Found]:
        """Pages in which every word of ``asked`` stands, those with it in their title first."""
        words = asked.lower().split()[:8]
        if not words:
            return []
        found = []
        for name, text in self.texts.items():
            lowered = self._lowered[name]
            if all(word in lowered for word in words):
                title = self.titles[name]
                rank = -sum(word in title.lower() for word in words), -sum(lowered.count(word) for word in words)
                found.append((rank, Found(name, title, excerpt_of(text, lowered, words[0]))))
        return [each for _rank, each in sorted(found)][:MOST_FOUND]


def title_of(name: str, text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return first[2:].strip().replace("`", "") if first.startswith("# ") else name


def excerpt_of(text: str, lowered: str, word: str) -> str:
    at = lowered.index(word)
    begin = max(0, at - EXCERPT // 2)
    return " ".join(text[begin : begin + EXCERPT].split())


def rendered(text: str) -> str:
    """Markdown as HTML: headings have anchors, links between pages lead to pages, images are their descriptions."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    seen: dict[str, int] = {}
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor_of(tokens[i + 1].content, seen))
        # The policy allows no style of an element's own.
        token.attrs.pop("style", None)
        # What is wider than a phone is scrolled by keyboard too.
        if token.type in ("table_open", "fence", "code_block"):
            token.attrSet("tabindex", "0")
        for child in token.children or ():
            if child.type == "link_open":
                lead(child)
            elif child.type == "image":
                child.type, child.content = "text", child.content or "image"
    return str(parser.renderer.render(tokens, parser.options, {}))


def anchor_of(heading: str, seen: dict[str, int]) -> str:
    """As code hosts make it, so that links into a page work in both places."""
    name = _NOT_IN_ANCHORS.sub("", heading.strip().lower()).replace(" ", "-")
    seen[name] = seen.get(name, -1) + 1
    return f"{name}-{seen[name]}" if seen[name] else name


def lead(link: Any) -> None:
    target = str(link.attrGet("href") or "")
    page = _PAGE.fullmatch(target)
    if page is not None:
        link.attrSet("href", f"{HERE}{page[1]}{page[2] or ''}")
    elif target.startswith(("http://", "https://")):
        link.attrSet("rel", "noreferrer noopener")
    elif not target.startswith("#"):
        # A file of the source, which is not served.
        link.attrSet("href", HERE)


def reference(document: dict[str, Any]) -> str:
    """The operations of an OpenAPI document, by path."""
    out = ["<h1>The admin API</h1>", "<p>What <code>/api</code> answers, and who may ask. The whole description: "]
    out.append('<a href="/api/schema/openapi.json"><code>/api/schema/openapi.json</code></a>.</p>')
    for path, operations in sorted(document.get("paths", {}).items()):
        name = anchor_of(path.replace("/", " "), {})
        out.append(f'<h2 id="{escape(name)}"><code>{escape(path)}</code></h2>')
        for method, operation in operations.items():
            if isinstance(operation, dict):
                out += operation_of(method, operation)
    return "".join(out)


def operation_of(method: str, operation: dict[str, Any]) -> Iterable[str]:
    yield f"<h3>{escape(method.upper())}: {escape(str(operation.get('summary') or ''))}</h3>"
    if operation.get("description"):
        yield f"<p>{escape(str(operation['description']))}</p>"
    parameters = [each for each in operation.get("parameters") or () if isinstance(each, dict) and "name" in each]
    if parameters:
        yield '<table tabindex="0"><thead><tr><th>parameter</th><th>in</th><th>meaning</th></tr></thead><tbody>'
        for each in parameters:
            cells = (str(each.get(field) or "") for field in ("name", "in", "description"))
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        yield "</tbody></table>"
    body = named(operation.get("requestBody", {}).get("content", {}))
    if body:
        yield f"<p>Body: {escape(body)}</p>"
    yield "<ul>"
    for status, answer in (operation.get("responses") or {}).items():
        shape = named(answer.get("content", {}))
        yield f"<li><code>{escape(str(status))}</code> {escape(str(answer.get('description') or ''))}"
        yield f" <code>{escape(shape)}</code></li>" if shape else "</li>"
    yield "</ul>"


def named(content: dict[str, Any]) -> str:
    """The names of what a body can be."""
    names = (str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2] for media in content.values())
    return ", ".join(dict.fromkeys(name for name in names if name))

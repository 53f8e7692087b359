"""Open a store by URL: the scheme names the implementation, which is imported only then.

``sqlite:///relative/or//absolute/path`` is a file or directory of this host; schemes of other programs join the
table with the parts that bring them.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast
from urllib.parse import unquote, urlsplit

from gateway.stores.protocols import LogStore, Role

OPENERS: dict[tuple[Role, str], tuple[str, str]] = {
    ("log", "sqlite"): ("gateway.stores.sqlite_log", "open_log"),
}
"""(role, scheme) -> module and function(path) that opens it."""


class UnknownStore(ValueError):
    """No implementation is registered for this role and scheme."""


def open_store(role: Role, url: str) -> object:
    """The store behind ``url`` for ``role``. Raises UnknownStore, StoreUnavailable."""
    parts = urlsplit(url)
    found = OPENERS.get((role, parts.scheme))
    if found is None:
        known = ", ".join(sorted(scheme for known_role, scheme in OPENERS if known_role == role)) or "none yet"
        raise UnknownStore(f"no {role} store is known for {parts.scheme or url!r} (known: {known})")
    module, function = found
    path = unquote(parts.path)
    # sqlite:///x is the relative path x, sqlite:////x the absolute /x, as SQLAlchemy reads them.
    path = path[1:] if not parts.netloc and path.startswith("/") else path
    opener = getattr(import_module(module), function)
    store: object = opener(path)
    return store


def open_log(url: str) -> LogStore:
    """``open_store`` for the request log."""
    return cast(LogStore, open_store("log", url))

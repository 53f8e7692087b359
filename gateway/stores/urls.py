"""Open a store by URL: the scheme names the implementation, which is imported only then.

``sqlite:///relative/or//absolute/path`` is a file or directory of this host, as are ``lmdb:///…`` and ``hnsw:///…``;
``postgresql://user:password@host/name`` is a database of a server, in libpq's words. What the URLs of other servers say
is told where their stores are.
"""

from __future__ import annotations

import socket
from importlib import import_module
from importlib.util import find_spec
from typing import cast
from urllib.parse import quote, unquote, urlsplit

from gateway.config.addresses import is_forbidden
from gateway.stores.database import Database
from gateway.stores.protocols import AnswerStore, LogStore, Role, StoreUnavailable, VectorStore
from gateway.stores.rollups import Merge, RollupStore

OPENERS: dict[tuple[Role, str], tuple[str, str]] = {
    ("log", "sqlite"): ("gateway.stores.sqlite_log", "open_log"),
    ("log", "postgresql"): ("gateway.stores.postgres_log", "open_log"),
    ("rollups", "sqlite"): ("gateway.stores.sql_rollups", "open_sqlite"),
    ("rollups", "postgresql"): ("gateway.stores.sql_rollups", "open_postgres"),
    ("config", "sqlite"): ("gateway.stores.sqlite_database", "SqliteDatabase"),
    ("config", "postgresql"): ("gateway.stores.postgres_database", "PostgresDatabase"),
    ("answers", "lmdb"): ("gateway.stores.lmdb_answers", "LmdbAnswers"),
    ("answers", "redis"): ("gateway.stores.redis_answers", "RedisAnswers"),
    ("answers", "rediss"): ("gateway.stores.redis_answers", "RedisAnswers"),
    ("vectors", "hnsw"): ("gateway.stores.hnsw_vectors", "HnswVectors"),
    ("vectors", "hnswlib"): ("gateway.stores.hnswlib_vectors", "HnswlibVectors"),
    ("vectors", "pgvector"): ("gateway.stores.pgvector_vectors", "PgvectorVectors"),
    ("vectors", "weaviate"): ("gateway.stores.weaviate_vectors", "WeaviateVectors"),
    ("vectors", "weaviates"): ("gateway.stores.weaviate_vectors", "WeaviateVectors"),
}
"""(role, scheme) -> module and function that opens it: given the path when it is one of this host, else the whole URL.
Configuration and ledger are in one database, so ``config`` opens both."""

_OF_THIS_HOST = ("sqlite", "lmdb", "hnsw", "hnswlib")

_DRIVERS = {
    "postgresql": ("psycopg", "postgres"),
    "redis": ("redis", "redis"),
    "rediss": ("redis", "redis"),
    "hnswlib": ("hnswlib", "hnswlib"),
    "pgvector": ("psycopg", "pgvector"),
    "weaviate": ("weaviate", "weaviate"),
    "weaviates": ("weaviate", "weaviate"),
}
"""Scheme -> module it needs, and the extra that brings it."""


class UnknownStore(ValueError):
    """No implementation is registered for this role and scheme, or what it needs is not installed."""


def open_store(role: Role, url: str, *more: object) -> object:
    """The store behind ``url`` for ``role``, whose opener is given ``more`` as well. Raises UnknownStore,
    StoreUnavailable."""
    scheme = scheme_of(url)
    found = OPENERS.get((role, scheme))
    if found is None:
        known = ", ".join(sorted(scheme for known_role, scheme in OPENERS if known_role == role)) or "none yet"
        # Never the whole URL: it may hold a password.
        raise UnknownStore(f"no {role} store is known for {scheme or 'what is no URL'} (known: {known})")
    driver, extra = _DRIVERS.get(scheme, ("", ""))
    if driver and find_spec(driver) is None:
        raise UnknownStore(f"{scheme} needs the package {driver}: pip install 'microgate[{extra}]'")
    module, function = found
    opener = getattr(import_module(module), function)
    store: object = opener(path_of(url) if scheme in _OF_THIS_HOST else url, *more)
    return store


def scheme_of(url: str) -> str:
    scheme = urlsplit(url).scheme
    return "postgresql" if scheme == "postgres" else scheme


def path_of(url: str) -> str:
    """Path of a URL that names a file or directory of this host."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    # sqlite:///x is the relative path x, sqlite:////x the absolute /x, as SQLAlchemy reads them.
    return path[1:] if not parts.netloc and path.startswith("/") else path


def sqlite_url(path: str) -> str:
    """The inverse of ``path_of``."""
    return f"sqlite:///{quote(path)}"


def open_log(url: str, instance: str = "") -> LogStore:
    """``open_store`` for the request log. ``instance`` tells this gateway's rings from those of others that keep the
    same log."""
    return cast(LogStore, open_store("log", url, instance))


def open_rollups(url: str, instance: str, merge: Merge) -> RollupStore:
    """Of the request log at ``url``; ``merge`` adds up sheets."""
    return cast(RollupStore, open_store("rollups", url, instance, merge))


def open_database(url: str) -> Database:
    """The control database, of configuration and ledger: nothing is asked of it yet. Raises UnknownStore."""
    return cast(Database, open_store("config", url))


def open_answers(url: str, most_bytes: int) -> AnswerStore:
    """``open_store`` for the exact cache. ``most_bytes``: how much it keeps, where no server decides. Raises ValueError
    for a URL that the implementation cannot understand, as does ``open_vectors``."""
    refuse_unreachable(url)
    return cast(AnswerStore, open_store("answers", url, most_bytes))


def open_vectors(url: str, dimensions: int, most: int, kind: str = "float32") -> VectorStore:
    """``open_store`` for the semantic cache's index. ``most``: how many vectors it keeps; ``kind``: how, ``float32`` or
    ``int8``, where there is a choice."""
    refuse_unreachable(url)
    return cast(VectorStore, open_store("vectors", url, dimensions, most, kind))


def refuse_unreachable(url: str) -> None:
    """Raises StoreUnavailable where a server's name leads to an address that the gateway never talks to: of a cloud's
    metadata service, say, whoever wrote it into the DNS. A name that leads nowhere is told by who connects."""
    parts = urlsplit(url)
    if parts.scheme in _OF_THIS_HOST or not parts.hostname:
        return
    try:
        found = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, address in found:
        if why := is_forbidden(str(address[0]), allow_private=True):
            raise StoreUnavailable(f"the store's name leads to an address that is never asked: {why}")

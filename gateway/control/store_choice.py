"""What the API may say of where a cache keeps its answers and vectors.

An admin may name a server as they name a provider: one in a private network, or spoken to without TLS, has to be
confirmed, and link-local and metadata addresses are never reached. Files of the gateway's machine are the
configuration file's alone: a model directory by its path, an index at a path, certificates, sockets.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from gateway.config.addresses import judge_host
from gateway.config.references import Secret
from gateway.snapshot.cache import LOCAL, is_model_name

PARAMETERS = {
    "redis": ("prefix", "timeout"),
    "rediss": ("prefix", "timeout"),
    "pgvector": ("table", "timeout", "sslmode"),
    "weaviate": ("collection", "grpc", "timeout"),
    "weaviates": ("collection", "grpc", "timeout"),
}
"""Scheme -> what its query may say. libpq's own name files, sockets and other hosts."""
OVER_TLS = ("rediss", "weaviates")
TLS_MODES = ("require", "verify-ca", "verify-full")
BESIDE_THE_OTHERS = "hnswlib:"
"""An index of this host that lies in the data directory."""

# Narrower than any client's own reading, so that none finds another host in it: no second @, no list of hosts, no
# host in percent signs (libpq takes that for a socket), no fragment (behind which a parameter would count here alone).
_WORD = r"[A-Za-z0-9._~!$&'()*+;=%-]*"
_URL = re.compile(
    rf"([a-z]+)://(?:{_WORD}(?::{_WORD})?@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{{1,5}})?"
    r"(?:/[A-Za-z0-9_.-]*)?(?:\?([!$-~]*))?",
    re.ASCII,
)


def unfit(spec: Any, before: Any, *, allow_private: bool) -> str:
    """Why a ``cache`` group must not be stored; empty: it may. What ``before`` names was confirmed then."""
    semantic, old = spec.semantic, getattr(before, "semantic", None)
    embedder = "" if semantic is None else semantic.embedder
    if embedder.startswith(LOCAL) and not is_model_name(embedder.removeprefix(LOCAL)):
        return "semantic.embedder: only the configuration file names a path; here local: and a name in models/"
    pairs = (
        ("store", spec.store, getattr(before, "store", None)),
        ("semantic.store", getattr(semantic, "store", None), getattr(old, "store", None)),
    )
    for member, store, known in pairs:
        why = _judged(store, confirmed=allow_private or store == known) if store is not None else ""
        if why:
            return f"{member}: {why}"
    return ""


def _judged(store: Secret, *, confirmed: bool) -> str:
    """Its words repeat nothing of the URL, which holds a password."""
    url = store.reveal()
    if url == BESIDE_THE_OTHERS:
        return ""
    match = _URL.fullmatch(url)
    if match is None or match[1] not in PARAMETERS:
        return "write SCHEME://USER:PASSWORD@HOST:PORT/NAME with one host, and what is special in a password as %XX"
    scheme, host, query = match[1], match[2], dict(parse_qsl(match[3] or "", keep_blank_values=True))
    if others := set(query) - set(PARAMETERS[scheme]):
        return f"only the configuration file says {', '.join(sorted(others))[:64]}"
    if why := judge_host(host, allow_private=True):
        return why
    if confirmed:
        return ""
    why = judge_host(host, allow_private=False) or ""
    if not why and scheme not in OVER_TLS and query.get("sslmode") not in TLS_MODES:
        why = "it is spoken to without TLS"
    return why and f"{why}; send allow_private: true if it is meant"

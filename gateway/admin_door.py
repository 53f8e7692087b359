"""Who gets as far as the control process with a request for /api, /ui or /docs, at a worker and at ``admin.listen``.

Control judges once more, and it alone knows whether a ticket still counts. Here strangers are kept from it: whoever
shows nothing that this instance has issued may only set up or log in, in few bytes, and no page of another site may
speak for a browser.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway import operator_ticket

OPEN_PATHS = frozenset((b"/api/setup", b"/api/login"))
"""Answered without a credential, for POST; both ask for a secret in their body."""

OPEN_BYTES = 4096
"""Largest body there; it is read before anybody has shown anything."""


class Knock(NamedTuple):
    """What the decision needs of a request."""

    method: bytes
    path: bytes
    credential: bytes
    """As a bearer token; empty for none."""
    cookie: bytes
    """The whole field."""
    origin: bytes
    host: bytes
    length: int
    """Of the body; -1 when it is not told beforehand."""


def lets_in(knock: Knock, token: bytes, pepper: bytes) -> bool:
    """Whether control may hear of it. A page of another origin never gets in, whatever its browser sends along."""
    if knock.origin and not _same(knock.origin, knock.host):
        return False
    if knock.path in OPEN_PATHS:
        return knock.method == b"POST" and 0 <= knock.length <= OPEN_BYTES
    if knock.credential:
        if token and hmac.compare_digest(knock.credential, token):
            return True
        return knock.credential.startswith(b"mgt-") and operator_ticket.is_issued(pepper, knock.credential)
    session = operator_ticket.in_cookies(knock.cookie)
    return session.startswith(b"mgs-") and operator_ticket.is_issued(pepper, session)


def _same(origin: bytes, host: bytes) -> bool:
    """Whether the page stands at the host that it asks (RFC 6454; ``null`` is nobody's)."""
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.decode("latin-1").strip().lower()

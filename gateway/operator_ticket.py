"""What operators present once they have logged in: ``mgs-`` (a session) or ``mgt-`` (an API token) and 40 characters.

In these there are 128 random bits and an authentication code over them, made with the pepper. A worker checks the code
before it relays to control, so strangers do not get that far; whether the ticket still counts is known to control
alone, which keeps digests of those that do.
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import b32decode, b32encode

SESSION = "mgs-"
API_TOKEN = "mgt-"
COOKIE = "microgate_session"

RANDOM_BYTES = 16
CODE_BYTES = 9
"""Makes 25 bytes of it all, which base32 writes without padding."""

_FORM = re.compile(rb"(mgs-|mgt-)([a-z2-7]{40})")
_COOKIE = re.compile(rb"(?:^|[;\s])microgate_session=([!-:<-~]{1,100})")


def issue(pepper: bytes, kind: str) -> str:
    """A new ticket of ``SESSION`` or ``API_TOKEN``; it counts once control has written down its digest."""
    content = os.urandom(RANDOM_BYTES)
    return kind + b32encode(content + _code(pepper, kind.encode(), content)).decode().lower()


def is_issued(pepper: bytes, ticket: bytes) -> bool:
    """Whether it was made with this pepper, for some operator, at some time."""
    found = _FORM.fullmatch(ticket)
    if found is None:
        return False
    content = b32decode(found[2].upper())
    return hmac.compare_digest(_code(pepper, found[1], content[:RANDOM_BYTES]), content[RANDOM_BYTES:])


def in_cookies(field: bytes) -> bytes:
    """The session of a ``Cookie`` field; empty when there is none, or more than one: which of them counts would be
    somebody else's choice."""
    found = _COOKIE.findall(field)
    return bytes(found[0]) if len(found) == 1 else b""


def _code(pepper: bytes, kind: bytes, content: bytes) -> bytes:
    return hmac.digest(pepper, b"microgate: ticket of an operator " + kind + content, "sha256")[:CODE_BYTES]

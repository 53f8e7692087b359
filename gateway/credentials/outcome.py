"""What goes into the fetching child, and what comes out of it."""

from __future__ import annotations

import msgspec

from gateway.snapshot.model import Credential

REASONS = {
    "refused": "its issuer refuses the credential",
    "unreachable": "its issuer can't be reached",
    "late": "its issuer does not answer in time",
    "failed": "it could not be had",
}
"""``Outcome.error`` -> what a caller is told of it."""


class Wanted(msgspec.Struct, frozen=True):
    """Which credential, and the seconds after which nobody waits for it any more."""

    credential: Credential
    within_s: int


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """A credential that can be used, or why there is none."""

    token: str = ""
    """What is sent; of AWS the secret key that signs."""
    access_key_id: str = ""
    session_token: str = ""
    expires_in: float | None = None
    """Seconds; None: it has no end that is known."""
    refresh_in: float | None = None
    """Seconds after which its issuer wants it renewed, where it says so."""
    error: str = ""
    """``refused``, ``unreachable``, ``late`` or ``failed``; empty when it was had."""
    detail: str = ""
    """For the log: no secret in it, but names that callers need not know."""

    def __repr__(self) -> str:
        return f"Outcome({self.error or 'had'})"

"""The one-time secret of a first start: whoever reads what ``serve`` printed makes the first operator.

A file in the data directory, made at the first start there and removed when it is redeemed. A directory that was used
before there were operators gets none: its admin token makes the first operator.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets

FILE_NAME = "setup.secret"

_SECRET = re.compile(r"mg-setup-[0-9a-f]{32}", re.ASCII)


def path_in(data_dir: str) -> str:
    return os.path.join(data_dir, FILE_NAME)


def create(data_dir: str) -> str:
    """Make one with 128 random bits, mode 0600; that of an earlier call stays. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path_in(data_dir), flags, 0o600)
        try:
            os.write(fd, f"mg-setup-{secrets.token_hex(16)}\n".encode())
        finally:
            os.close(fd)
    return pending(data_dir)


def pending(data_dir: str) -> str:
    """The secret that is yet to be redeemed; empty when there is none."""
    with contextlib.suppress(OSError), open(path_in(data_dir), encoding="ascii", errors="replace") as file:
        text = file.read(100).strip()
        return text if _SECRET.fullmatch(text) else ""
    return ""


def matches(data_dir: str, presented: str) -> bool:
    """Whether this is the secret that is yet to be redeemed; compared in constant time."""
    expected = pending(data_dir)
    return bool(expected) and hmac.compare_digest(expected.encode(), presented.encode("utf-8", "replace"))


def redeem(data_dir: str) -> None:
    """From now on there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_in(data_dir))

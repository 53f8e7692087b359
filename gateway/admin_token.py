"""The operator's token: what /api asks for until there are accounts. One file in the data directory, mode 0600.

Made at the first start with 192 random bits; `microgate doctor` shows it. Workers check it before they relay to
control, and control checks it again. Replacing the file and restarting replaces the token.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets

FILE_NAME = "admin.token"

_TOKEN = re.compile(r"mga-[0-9a-f]{48}", re.ASCII)


class AdminTokenError(Exception):
    """The file is there and cannot be used; the message says what to do."""


def path_in(data_dir: str) -> str:
    return os.path.join(data_dir, FILE_NAME)


def load_or_create(data_dir: str) -> str:
    """The token of this instance, made when there is none. Raises AdminTokenError, OSError.

    Of two processes that make it at once, both get the same one.
    """
    path = path_in(data_dir)
    with contextlib.suppress(FileNotFoundError):
        return load(data_dir)
    token = f"mga-{secrets.token_hex(24)}"
    temporary = f"{path}.{os.getpid()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.write(fd, f"{token}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        # link() refuses to replace: whoever comes second takes what is there.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
    return load(data_dir)


def load(data_dir: str) -> str:
    """The token in the file. Raises FileNotFoundError, AdminTokenError."""
    path = path_in(data_dir)
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise AdminTokenError(f"{path} can be read by other users; run: chmod 600 {path}")
        token = file.read(256).decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise AdminTokenError(f"{path} holds no admin token; remove it to have a new one made")
    return token


def matches(expected: str, presented: str) -> bool:
    """Compared in constant time; an empty expectation matches nothing."""
    return bool(expected) and hmac.compare_digest(expected.encode(), presented.encode("utf-8", "replace"))

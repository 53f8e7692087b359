"""Values that stand elsewhere: ``env.NAME`` and ``file.PATH``; and the type that keeps secrets out of every text.

A relative path is taken from the directory of the configuration file. What a reference yields is never looked at again
for references.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NoReturn, Self

_ENV = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file\.(.+)")

MAX_FILE_BYTES = 64 * 1024
"""A credential or certificate path fits; a mistaken reference to a log file does not."""


class Secret:
    """A credential: ``[secret]`` in every formatting, not to be serialised, had by ``reveal()`` only."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "") -> None:
        self._value = value
        self.source = source
        """The reference it came from; empty when it was written in the file itself."""

    def reveal(self) -> str:
        """The credential itself: for the wire, for hashing and for the snapshot only."""
        return self._value

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "[secret]"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be serialised")


class SecretDocument(Secret):
    """A secret of several lines, such as a key file; sent to nobody as it stands."""

    __slots__ = ()


class Text(str):
    """Text that may be given as a reference."""

    __slots__ = ("source",)

    source: str
    """The reference it came from; empty when it was written in the file itself."""

    def __new__(cls, value: str, source: str = "") -> Self:
        made = super().__new__(cls, value)
        made.source = source
        return made


class FilePath(str):
    """Path of a file that is read later; may be given as a reference, and is absolute once it is loaded."""

    __slots__ = ()


class Resolver:
    """Looks references up. ``environ`` and ``directory`` are given, so that a test needs neither."""

    def __init__(self, environ: Mapping[str, str], directory: str) -> None:
        self._environ = environ
        self._directory = directory

    def resolve(self, value: str) -> str:
        """``value`` itself, or what it refers to. Raises ValueError that names the reference, never its content."""
        if value.startswith("env."):
            return self._variable(match[1]) if (match := _ENV.fullmatch(value)) else value
        if value.startswith("file."):
            return self._file(match[1]) if (match := _FILE.fullmatch(value)) else value
        return value

    def path(self, value: str) -> FilePath:
        """The same as an absolute path; relative ones start from the directory of the configuration."""
        return FilePath(os.path.join(self._directory, os.path.expanduser(self.resolve(value))))

    def secret(self, value: str) -> Secret:
        """The same as a ``Secret``. Raises ValueError also for text that no header field could carry."""
        resolved = self.resolve(value)
        if not resolved.isprintable() or not resolved.isascii():
            raise ValueError("a credential must be printable ASCII on one line")
        if resolved != resolved.strip():
            raise ValueError("a credential must not begin or end with a space")
        return Secret(resolved, value if resolved is not value else "")

    def text(self, value: str) -> Text:
        """The same as ``Text``."""
        resolved = self.resolve(value)
        return Text(resolved, value if resolved is not value else "")

    def document(self, value: str) -> SecretDocument:
        """The same for a secret that may have several lines."""
        resolved = self.resolve(value)
        return SecretDocument(resolved, value if resolved is not value else "")

    def _variable(self, name: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set")
        if not value:
            raise ValueError(f"the environment variable {name} is empty")
        return value

    def _file(self, name: str) -> str:
        path = os.path.join(self._directory, os.path.expanduser(name))
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as exc:
            raise ValueError(f"cannot read the file {path}: {exc.strerror}") from None
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"the file {path} is larger than {MAX_FILE_BYTES} bytes")
        try:
            value = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"the file {path} is not UTF-8 text") from None
        if not value:
            raise ValueError(f"the file {path} is empty")
        return value

"""What the URL of a server says besides where it is: ``scheme://user:password@host:port/name?parameter=value``.

Parameters that nobody knows are refused: a mistyped one would silently be another one's default.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

MOST_S = 60.0


class ServerUrl(NamedTuple):
    """The parts, decoded."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    name: str
    """The path without its first slash."""
    parameters: dict[str, str]

    def seconds(self, parameter: str, default: float) -> float:
        """A time. Raises ValueError."""
        return seconds(parameter, self.parameters.get(parameter, ""), default)


def seconds(parameter: str, text: str, default: float) -> float:
    """What a parameter says of a time; empty: the default. Raises ValueError."""
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found <= MOST_S:
        raise ValueError(f"{parameter} is a number of seconds, at most {MOST_S:.0f}")
    return found


def parse(url: str, default_port: int, parameters: Collection[str]) -> ServerUrl:
    """Raises ValueError, whose words repeat nothing that may be secret."""
    try:
        parts = urlsplit(url)
        port = parts.port or default_port
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("the URL of the store cannot be read") from None
    if not parts.hostname:
        raise ValueError("the URL of the store names no host")
    if parts.fragment:
        raise ValueError("the URL of the store has a #: write %23")
    for name, _ in given:
        if name not in parameters:
            raise ValueError(f"the URL of the store has an unknown parameter; known: {', '.join(sorted(parameters))}")
    user, password = parts.username, parts.password
    return ServerUrl(
        parts.scheme,
        parts.hostname,
        port,
        unquote(user) if user else None,
        unquote(password) if password else None,
        unquote(parts.path.removeprefix("/")),
        dict(given),
    )

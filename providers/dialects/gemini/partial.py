"""Arguments that Vertex streams in pieces (``streamFunctionCallArguments``): values by their JSON path (RFC 9535, of
which ``$.name``, ``$['name']`` and ``[0]`` occur), texts in several pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from providers.dialects.reading import items, mapping, text
from providers.neutral import Json, Malformed

_MAX_INDEX = 10_000
"""A list that is longer was not meant."""


class PartialArguments:
    """Puts the arguments of one call together."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Json = {}

    def add(self, pieces: Any) -> None:
        """Take ``partialArgs``. Raises Malformed."""
        for piece in items(pieces):
            piece = mapping(piece)
            path = steps(text(piece.get("jsonPath")))
            if not path:
                continue
            if "stringValue" in piece:
                self._put(path, text(piece["stringValue"]), True)
            elif "numberValue" in piece:
                number = piece["numberValue"]
                whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
                self._put(path, int(number) if whole else number, False)
            elif "boolValue" in piece:
                self._put(path, piece["boolValue"], False)
            elif "nullValue" in piece:
                self._put(path, None, False)

    def _put(self, path: list[str | int], value: Any, more: bool) -> None:
        place: Any = self.value
        for step, following in pairwise(path):
            place = _child(place, step, [] if isinstance(following, int) else {})
        last = path[-1]
        before = _child(place, last, None)
        place[last] = before + value if more and isinstance(before, str) else value


def _child(place: Any, step: str | int, fresh: Any) -> Any:
    """What stands at ``step``, made if there is nothing."""
    if isinstance(step, int) and isinstance(place, list) and step < _MAX_INDEX:
        place.extend([None] * (step + 1 - len(place)))
        if place[step] is None:
            place[step] = fresh
        return place[step]
    if isinstance(step, str) and isinstance(place, dict):
        return place.setdefault(step, fresh)
    raise Malformed("'partialArgs.jsonPath' leads nowhere.", "partialArgs.jsonPath")


def steps(path: str) -> list[str | int]:
    """``$.foo.bar[0]`` as names and numbers; empty when it is no path. Raises Malformed."""
    out: list[str | int] = []
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        if path[at] == "[":
            end = path.find("]", at)
            inner = path[at + 1 : end] if end > 0 else ""
            if inner[:1] in ("'", '"') and inner:
                end = path.find(inner[0] + "]", at + 2) + 1
                inner = path[at + 2 : end - 1]
                out.append(inner)
            elif inner.isdecimal() and len(inner) < 6:
                out.append(int(inner))
            else:
                raise Malformed("'partialArgs.jsonPath' is no path.", "partialArgs.jsonPath")
            at = end + 1
        else:
            at += path[at] == "."
            end = at
            while end < len(path) and path[end] not in ".[":
                end += 1
            if end == at:
                raise Malformed("'partialArgs.jsonPath' is no path.", "partialArgs.jsonPath")
            out.append(path[at:end])
            at = end
    return out

"""Reading decoded JSON whose author is not to be trusted: every dialect asks for values by type."""

from __future__ import annotations

from typing import Any

import orjson

from providers.neutral import Json, Malformed


def text(value: Any) -> str:
    """``value`` if it is a text, else the empty one."""
    return value if isinstance(value, str) else ""


def whole(value: Any) -> int:
    """``value`` as a number of tokens or the like; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and abs(value) < 1e18 else 0


def mapping(value: Any) -> Json:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def an_object(value: Any, member: str) -> Json:
    """``value``, an object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"'{member}' is no object.", member)
    return value


def a_list(value: Any, member: str) -> list[Any]:
    """``value``, a list. Raises Malformed."""
    if not isinstance(value, list):
        raise Malformed(f"'{member}' is no list.", member)
    return value


def a_text(value: Any, member: str) -> str:
    """``value``, a text. Raises Malformed."""
    if not isinstance(value, str):
        raise Malformed(f"'{member}' is no text.", member)
    return value


def a_number(value: Any, member: str) -> Any:
    """``value``, a number, or None where nothing was said. Raises Malformed."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Malformed(f"'{member}' is no number.", member)
    return value


def rest(value: Json, known: frozenset[str]) -> Json | None:
    """The members of ``value`` that are not ``known``; None when there are none."""
    if value.keys() <= known:
        return None
    return {name: member for name, member in value.items() if name not in known}


def data_url(url: str) -> tuple[str, str] | None:
    """(media type, base64) of a ``data:`` URL that can be written again as it was (RFC 2397); None for any other."""
    if not url.startswith("data:"):
        return None
    kind, marker, data = url[5:].partition(";base64,")
    return (kind, data) if marker and ";" not in kind and "," not in kind else None


def is_json(said: str) -> bool:
    try:
        orjson.loads(said)
    except orjson.JSONDecodeError:
        return False
    return True


_STANDARD = str.maketrans("-_", "+/")


def standard(data: str) -> str:
    """``data`` in the alphabet of base64 that all but Google insist on (RFC 4648, 4 instead of 5), filled up."""
    if "-" in data or "_" in data:
        data = data.translate(_STANDARD)
    return data + "=" * (-len(data) % 4) if len(data) % 4 > 1 else data

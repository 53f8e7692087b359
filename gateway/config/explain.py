"""All that is wrong with a document's values, each with its exact path: the slow way, taken when ``convert`` refused.

``msgspec`` stops at the first mistake and does not name the member of a mapping it is in. This walk goes on, and asks
``msgspec`` only about single values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import inspect

from gateway.config.problems import Path, Problem, nearest

Hook = Callable[[type, Any], Any]

_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}
_MOST = 200
"""Problems told at once; a file that is wrong altogether would otherwise fill the screen."""


def explain(value: Any, wanted: type, hook: Hook) -> list[Problem]:
    """Every problem of ``value`` as a ``wanted``; empty when there is none."""
    out = []
    for problem in _walk(value, inspect.type_info(wanted), (), hook):
        out.append(problem)
        if len(out) >= _MOST:
            break
    return out


def _walk(value: Any, kind: inspect.Type, path: Path, hook: Hook) -> Iterator[Problem]:
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        tagged = {str(m.tag): m for m in kind.types if isinstance(m, inspect.StructType) and m.tag_field}
        if tagged and isinstance(value, dict):
            yield from _tagged(value, tagged, path, hook)
            return
        chosen = _member(value, kind)
        if chosen is None:
            yield Problem(path, f"expected {_describe(kind)}, got {_KINDS.get(type(value), 'something else')}")
            return
        kind = chosen
    if isinstance(kind, inspect.StructType):
        yield from _struct(value, kind, path, hook)
    elif isinstance(kind, inspect.DictType):
        if not isinstance(value, dict):
            yield _expected(path, "a mapping", value)
            return
        for key, member in value.items():
            for problem in _leaf(key, kind.key_type, (*path, key), hook):
                yield Problem(problem.path, f"{key!r} cannot stand here: {problem.message}", problem.hint)
            yield from _walk(member, kind.value_type, (*path, key), hook)
    elif isinstance(kind, inspect.ListType):
        if not isinstance(value, list):
            yield _expected(path, "a list", value)
            return
        if kind.min_length is not None and len(value) < kind.min_length:
            yield Problem(path, f"at least {kind.min_length} is needed")
        for i, member in enumerate(value):
            yield from _walk(member, kind.item_type, (*path, i), hook)
    else:
        yield from _leaf(value, kind, path, hook)


def _tagged(value: dict[str, Any], kinds: dict[str, inspect.StructType], path: Path, hook: Hook) -> Iterator[Problem]:
    """A mapping of which one member says what kind of thing it is."""
    field = str(next(iter(kinds.values())).tag_field)
    known = ", ".join(kinds)
    if field not in value:
        yield Problem(path, f"{field} is missing", f"it is one of {known}")
        return
    said = value[field]
    kind = kinds.get(said) if isinstance(said, str) else None
    if kind is None:
        hint = nearest(said, kinds) if isinstance(said, str) else ""
        yield Problem((*path, field), f"must be one of {known}", hint)
        return
    yield from _struct({name: member for name, member in value.items() if name != field}, kind, path, hook)


def _struct(value: Any, kind: inspect.StructType, path: Path, hook: Hook) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _expected(path, "a mapping", value)
        return
    fields = {field.encode_name: field for field in kind.fields}
    for name, member in value.items():
        field = fields.get(name)
        if field is None:
            missing = [n for n in fields if n not in value]
            yield Problem(
                (*path, name),
                "unknown field",
                nearest(name, missing) or nearest(name, fields) or f"known here: {', '.join(fields)}",
            )
        else:
            yield from _walk(member, field.type, (*path, name), hook)
    for name, field in fields.items():
        if field.required and name not in value:
            yield Problem(path, f"{name} is missing")


def _leaf(value: Any, kind: inspect.Type, path: Path, hook: Hook) -> Iterator[Problem]:
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.LiteralType):
        if value not in kind.values:
            allowed = [str(v) for v in kind.values]
            hint = nearest(value, allowed) if isinstance(value, str) else ""
            yield Problem(path, f"must be one of {', '.join(allowed)}", hint)
        return
    if isinstance(kind, inspect.CustomType):
        try:
            hook(kind.cls, value)
        except (ValueError, TypeError) as exc:
            yield Problem(path, str(exc))
        return
    base = {inspect.StrType: str, inspect.IntType: int, inspect.FloatType: float, inspect.BoolType: bool}.get(
        type(kind)
    )
    if base is None:
        return
    right = isinstance(value, base) and (base is bool or not isinstance(value, bool))
    if not right and not (base is float and type(value) is int):
        yield _expected(path, _KINDS[base], value)
        return
    yield from _bounds(value, kind, path)


def _bounds(value: Any, kind: inspect.Type, path: Path) -> Iterator[Problem]:
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        if kind.ge is not None and not value >= kind.ge:
            yield Problem(path, f"must be at least {kind.ge:g}")
        if kind.le is not None and not value <= kind.le:
            yield Problem(path, f"must be at most {kind.le:g}")
    elif isinstance(kind, inspect.StrType):
        if kind.min_length is not None and len(value) < kind.min_length:
            yield Problem(path, "must not be empty")
        elif kind.max_length is not None and len(value) > kind.max_length:
            yield Problem(path, f"must have at most {kind.max_length} characters")
        elif kind.pattern is not None and not _matches(kind.pattern, value):
            yield Problem(path, f"must match {kind.pattern}")


def _matches(pattern: str, value: str) -> bool:
    # msgspec searches, and so does this: every pattern of the schema is anchored.
    return re.search(pattern, value) is not None


def _member(value: Any, kind: inspect.UnionType) -> inspect.Type | None:
    """The member of a union that ``value`` is meant to be; None when it can be none of them."""
    for member in kind.types:
        inner = member.type if isinstance(member, inspect.Metadata) else member
        if isinstance(inner, inspect.NoneType):
            if value is None:
                return inner
        elif isinstance(inner, inspect.StructType):
            if isinstance(value, dict):
                return inner
        elif isinstance(inner, inspect.StrType) and isinstance(value, str):
            return inner
    others = [
        m for m in kind.types if not isinstance(m.type if isinstance(m, inspect.Metadata) else m, inspect.NoneType)
    ]
    return others[0] if len(others) == 1 and value is not None else None


def _describe(kind: inspect.UnionType) -> str:
    words = []
    for member in kind.types:
        inner = member.type if isinstance(member, inspect.Metadata) else member
        if isinstance(inner, inspect.StructType):
            words.append("a mapping")
        elif isinstance(inner, inspect.StrType):
            words.append("text")
    return " or ".join(dict.fromkeys(words)) or "another value"


def _expected(path: Path, wanted: str, value: Any) -> Problem:
    got = _KINDS.get(type(value), "something else")
    hint = ""
    if wanted == "true or false" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        hint = f"write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    elif wanted == "text" and isinstance(value, (int, float)):
        hint = "put it in quotes"
    return Problem(path, f"expected {wanted}, got {got}", hint)

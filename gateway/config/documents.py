"""YAML, JSON and TOML as plain values, and where in the text each of them stands.

YAML is read by the 1.2 core schema: ``yes``, ``on`` and ``012`` are text. A key that occurs twice in one mapping is an
error in all three languages. Positions are worked out only when something is wrong: a right file pays nothing for them.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from gateway.config.problems import ConfigError, Path, Problem

MAX_DEPTH = 64
MAX_NODES = 5_000_000
"""Values of a document, aliases counted as often as they are used: ten times a hundred thousand virtual keys."""

Positions = dict[Path, tuple[int, int]]
"""Path -> (line, column) from 1: of the key for a member of a mapping, of the value otherwise."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON = json.JSONDecoder()
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9A-Fa-f]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TOML_TABLE = re.compile(r"^\s*\[(\[?)\s*([^\]\n]+?)\s*\]")
_TOML_PAIR = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"))*)\s*="
)
_TOML_KEY = re.compile(r"[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*'")


class _Wrong(Exception):
    def __init__(self, message: str, line: int, column: int, path: Path = ()) -> None:
        super().__init__(message)
        self.problem = Problem(path, message, line=line, column=column)


def parse(text: str, source: str) -> Any:
    """The document's value; the language is told by the suffix of ``source`` (YAML unless .json or .toml).

    Raises ConfigError with the place.
    """
    try:
        return _PARSERS.get(os.path.splitext(source)[1].lower(), _yaml)(text, None)
    except _Wrong as exc:
        raise ConfigError(source, [exc.problem]) from None
    except ValueError:
        # Python reads no integer of more than 4,300 digits, in whatever language it stands.
        raise ConfigError(source, [Problem((), "a number has too many digits", line=1, column=1)]) from None


def positions(text: str, source: str) -> Positions:
    """Where everything stands in a document that ``parse`` has accepted."""
    found: Positions = {}
    _PARSERS.get(os.path.splitext(source)[1].lower(), _yaml)(text, found)
    return found


def place(path: Path, places: Positions) -> tuple[int, int]:
    """Where a value stands, or the nearest thing around it whose place is known."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, (1, 1))


def _yaml(text: str, found: Positions | None) -> Any:
    try:
        return _YamlReader(text, found).document()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        what = ", ".join(part for part in (exc.context, exc.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise _Wrong(f"not valid YAML: {what}", line, column) from None
    except yaml.reader.ReaderError as exc:
        before = text[: exc.position] if isinstance(exc.position, int) else ""
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise _Wrong(f"not valid YAML: {exc.reason}", line, column) from None


class _YamlReader:
    """Builds values straight from libyaml's events: no node tree, and positions only on demand."""

    def __init__(self, text: str, found: Positions | None) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_Loader))
        self._found = found
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def document(self) -> Any:
        value: Any = None
        seen = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    raise self._wrong("only one document is expected in the file", event)
                value = self._value(next(self._events), (), 0)
        return value

    def _value(self, event: Any, path: Path, depth: int) -> Any:
        if self._found is not None:
            self._found.setdefault(path, self._place(event))
        before = self._nodes
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise self._wrong("the document is nested too deeply or too large", event)
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            value = self._mapping(path, depth)
        elif kind is yaml.SequenceStartEvent:
            value = self._sequence(path, depth)
        else:
            if event.anchor not in self._anchors:
                raise self._wrong(f"the anchor {event.anchor} is not defined before this alias", event)
            value, nodes = self._anchors[event.anchor]
            self._nodes += nodes
            return value
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        out: list[Any] = []
        while type(event := next(self._events)) is not yaml.SequenceEndEvent:
            out.append(self._value(event, (*path, len(out)) if self._found is not None else (), depth + 1))
        return out

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: list[Any] = []
        while type(event := next(self._events)) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:  # a mapping, a sequence or an alias
                raise self._wrong("a key must be plain text", event)
            key: str = event.value
            if key in out:
                raise self._wrong(f"{key} occurs twice in one mapping", event, (*path, key))
            if self._found is not None:
                self._found[(*path, key)] = self._place(event)
            value = self._value(next(self._events), (*path, key) if self._found is not None else (), depth + 1)
            if key == "<<" and event.implicit[0]:
                merged += value if isinstance(value, list) else [value]
                if not all(isinstance(other, dict) for other in merged):
                    raise self._wrong("<< can only merge mappings", event)
            else:
                out[key] = value
        for other in merged:
            for key, value in other.items():
                out.setdefault(key, value)
        return out

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            raise self._wrong(f"the tag {event.tag} is not supported", event)
        if not event.implicit[0] or event.tag is not None:
            return text
        if text in _WORDS:
            return _WORDS[text]
        # Ordinary text is told apart by its first character, which saves two pattern matches for nearly every value.
        if text[0] in "0123456789+-.":
            if _INT.fullmatch(text):
                return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
        return text

    @staticmethod
    def _place(event: Any) -> tuple[int, int]:
        return event.start_mark.line + 1, event.start_mark.column + 1

    def _wrong(self, message: str, event: Any, path: Path = ()) -> _Wrong:
        return _Wrong(message, *self._place(event), path)


class _Twice(Exception):
    pass


def _json(text: str, found: Positions | None) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise _Twice
        return out

    try:
        if found is None:
            return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as exc:
        raise _Wrong(f"not valid JSON: {exc.msg}", exc.lineno, exc.colno) from None
    except RecursionError:
        raise _Wrong("the document is nested too deeply or too large", 1, 1) from None
    except _Twice:
        found = {}
    _JsonPlaces(text, found).value((), 0)
    return None


class _JsonPlaces:
    """Walks a JSON text that is known to be valid and notes where everything stands."""

    _SPACE = re.compile(r"[ \t\r\n]*")
    _ATOM = re.compile(r"[^\s,\]}]+")

    def __init__(self, text: str, found: Positions) -> None:
        self._text = text
        self._found = found
        self._at = 0

    def value(self, path: Path, depth: int) -> None:
        self._skip()
        self._found.setdefault(path, self._place(self._at))
        opening = self._text[self._at]
        if opening == '"':
            self._string()
        elif opening == "{":
            self._members(path, depth)
        elif opening == "[":
            self._at += 1
            index = 0
            while self._skip() != "]":
                self.value((*path, index), depth + 1)
                index += 1
                if self._skip() == ",":
                    self._at += 1
            self._at += 1
        elif match := self._ATOM.match(self._text, self._at):
            self._at = match.end()

    def _members(self, path: Path, depth: int) -> None:
        self._at += 1
        seen: set[str] = set()
        while self._skip() != "}":
            start = self._at
            key = self._string()
            line, column = self._place(start)
            if key in seen:
                raise _Wrong(f"{key} occurs twice in one object", line, column, (*path, key))
            seen.add(key)
            self._found[(*path, key)] = (line, column)
            self._skip()
            self._at += 1
            self.value((*path, key), depth + 1)
            if self._skip() == ",":
                self._at += 1
        self._at += 1

    def _string(self) -> str:
        value, self._at = _JSON.raw_decode(self._text, self._at)
        return str(value)

    def _skip(self) -> str:
        if match := self._SPACE.match(self._text, self._at):
            self._at = match.end()
        return self._text[self._at]

    def _place(self, at: int) -> tuple[int, int]:
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)


def _toml(text: str, found: Positions | None) -> Any:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        message = str(exc)
        match = _TOML_PLACE.search(message)
        line, column = (int(match[1]), int(match[2])) if match and match[1] else (text.count("\n") + 1, 1)
        raise _Wrong(f"not valid TOML: {_TOML_PLACE.sub('', message)}", line, column) from None
    if found is not None:
        _toml_places(text, found)
    return value


def _toml_places(text: str, found: Positions) -> None:
    """Lines of tables and of pairs written one to a line; what stands inside an inline table has its line."""
    here: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        column = len(line) - len(line.lstrip()) + 1
        if match := _TOML_TABLE.match(line):
            here = ()
            steps = _toml_keys(match[2])
            for i, step in enumerate(steps):
                here = (*here, step)
                found.setdefault(here, (number, column))
                if match[1] and i == len(steps) - 1:
                    counts[here] = counts.get(here, -1) + 1
                if here in counts:
                    here = (*here, counts[here])
                    found.setdefault(here, (number, column))
        elif match := _TOML_PAIR.match(line):
            path = here
            for step in _toml_keys(match[1]):
                path = (*path, step)
                found.setdefault(path, (number, column))


def _toml_keys(text: str) -> list[str]:
    return [key.strip("\"'") for key in _TOML_KEY.findall(text)]


_PARSERS: dict[str, Callable[[str, Positions | None], Any]] = {".json": _json, ".toml": _toml}

"""From a file, a JSON text or ``kind:value,field=value`` to what ``schema.py`` names; mistakes are told as ``microgate
check`` tells them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.config.documents import parse, place, positions
from gateway.config.explain import explain
from gateway.config.problems import ConfigError, Problem, nearest
from gateway.faults.schema import KINDS, AnyFault, Setup, hook

T = TypeVar("T")

_FIELD = re.compile(r"[a-z_]+=")
"""What begins with it is no value of the main field, not even an address with a query."""


def load(path: str) -> Setup:
    """Read and check a file (YAML unless it ends in .json or .toml). Raises ConfigError with all that is wrong."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, [Problem((), f"cannot be read: {error}")]) from None
    return loads(text, path)


def loads(text: str, source: str) -> Setup:
    """The same for text; the suffix of ``source`` tells its language."""
    try:
        setup = convert(parse(text, source), Setup, source)
        problems = judge(setup)
        if problems:
            raise ConfigError(source, problems)
    except ConfigError as error:
        if any(problem.line for problem in error.problems):
            raise
        places = positions(text, source)
        at = [(problem, place(problem.path, places)) for problem in error.problems]
        raise ConfigError(source, [replace(p, line=line, column=column) for p, (line, column) in at]) from None
    return setup


def convert(value: Any, wanted: type[T], source: str) -> T:
    """A plain value as a ``wanted``. Raises ConfigError."""
    try:
        return msgspec.convert(value, wanted, dec_hook=hook)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(source, explain(value, wanted, hook) or [Problem((), str(error))]) from None


def faults_from_json(data: bytes, source: str) -> list[AnyFault]:
    """A list of faults, or one. Raises ConfigError."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ConfigError(source, [Problem((), f"not valid JSON: {error}")]) from None
    return convert(value if isinstance(value, list) else [value], list[AnyFault], source)


def fault(spec: str, **fields: Any) -> AnyFault:
    """``fault("latency:200ms,jitter=50ms", share=0.1)``. Raises ConfigError."""
    kind, _, rest = re.sub("[:,]", ":", spec, count=1).partition(":")
    known = KINDS.get(kind)
    if known is None:
        raise ConfigError(spec, [Problem((), f"there is no fault {kind!r}", nearest(kind, KINDS) or ", ".join(KINDS))])
    given: dict[str, Any] = {"kind": kind}
    first, *more = rest.split(",")
    if _FIELD.match(first):
        more.insert(0, first)
    elif first:
        given[known.main or "value"] = _value(first)
    for part in more:
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(spec, [Problem((), f"{part!r} is no field=value")])
        given[name.strip()] = _value(value)
    return convert({**given, **fields}, AnyFault, spec)  # type: ignore[arg-type]  # a union is no type to mypy


def _value(text: str) -> Any:
    """A number or a truth value where it looks like one; times and sizes are text to the schema as well."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, bool)) else text


def judge(setup: Setup) -> list[Problem]:
    """What fields say about each other, and addresses."""
    problems = []
    if not setup.upstreams:
        problems.append(Problem(("upstreams",), "at least one is needed"))
    for name, entry in setup.upstreams.items():
        here = ("upstreams", name)
        try:
            address(entry.listen)
        except ValueError as error:
            problems.append(Problem((*here, "listen"), str(error)))
        if entry.to and (urlsplit(entry.to).scheme not in ("http", "https") or not urlsplit(entry.to).hostname):
            problems.append(Problem((*here, "to"), "expected a URL such as https://api.openai.com"))
        problems += [
            Problem((*here, "faults", i, "until"), "ends before it begins")
            for i, each in enumerate(entry.faults)
            if each.until and each.until <= each.since
        ]
    return problems


def address(listen: str | int) -> tuple[str, int]:
    """(host, port) of ``listen``. Raises ValueError with words for the operator."""
    text = str(listen)
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError(f"expected a port, or an address and a port such as 127.0.0.1:9001, got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)

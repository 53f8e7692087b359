"""From a file to a ``Config``: parse, resolve references, check the schema, check what fields say about each other.

All mistakes that can be found together are told together, each with its line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.config.documents import parse, place, positions
from gateway.config.explain import explain
from gateway.config.problems import ConfigError, Problem
from gateway.config.references import FilePath, Resolver, Secret, SecretDocument, Text
from gateway.config.schema import Config
from gateway.config.units import (
    Duration,
    Money,
    Period,
    Size,
    Usd,
    parse_duration,
    parse_money,
    parse_period,
    parse_size,
    parse_usd,
)
from gateway.config.validate import validate

MAX_FILE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what may be said about it."""

    config: Config
    source: str
    warnings: tuple[Problem, ...] = ()


def load(path: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read and check a configuration file. Raises ConfigError with everything that is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(path, [Problem((), f"cannot be read: {exc.strerror}")]) from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(path, [Problem((), f"larger than {MAX_FILE_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError(path, [Problem((), "not UTF-8 text", line=line, column=1)]) from None
    return loads(text, path, environ)


def loads(text: str, source: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """The same for text; the suffix of ``source`` tells its language; ``file.`` references start from its directory."""
    value = parse(text, source)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ConfigError(
            source, [Problem((), "expected a mapping such as providers: ... at the top", line=1, column=1)]
        )
    # A section of which every line is commented out says nothing.
    value = {name: member for name, member in value.items() if member is not None}
    resolver = Resolver(os.environ if environ is None else environ, os.path.dirname(os.path.abspath(source)))

    def hook(wanted: type, found: Any) -> Any:
        return _convert(wanted, found, resolver)

    try:
        config = msgspec.convert(value, Config, dec_hook=hook)
    except (msgspec.ValidationError, ValueError) as exc:
        problems = explain(value, Config, hook) or [Problem((), str(exc))]
        raise ConfigError(source, _placed(problems, text, source)) from None
    problems = validate(config)
    if problems:
        problems = _placed(problems, text, source)
        if any(not problem.warning for problem in problems):
            raise ConfigError(source, problems)
    return Loaded(config, source, tuple(problems))


def _convert(wanted: type, found: Any, resolver: Resolver) -> Any:
    if wanted is Duration:
        return parse_duration(found)
    if wanted is Size:
        return parse_size(found)
    if wanted is Usd:
        return parse_usd(found)
    if wanted is Period:
        return parse_period(found)
    if wanted is Money:
        return parse_money(found)
    if not isinstance(found, str):
        raise ValueError("expected text; put it in quotes" if isinstance(found, (int, float)) else "expected text")
    if wanted is Secret:
        return resolver.secret(found)
    if wanted is SecretDocument:
        return resolver.document(found)
    if wanted is Text:
        return resolver.text(found)
    if wanted is FilePath:
        return resolver.path(found)
    raise NotImplementedError(wanted)


def _placed(problems: list[Problem], text: str, source: str) -> list[Problem]:
    places = positions(text, source)
    placed = [replace(p, line=at[0], column=at[1]) for p in problems for at in [place(p.path, places)]]
    return sorted(placed, key=lambda p: (p.line, p.column))

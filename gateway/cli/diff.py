"""``microgate diff FILE``: what a file would change, beside the database, against the file in force."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from gateway.cli.merged import Where, entities, read_file, together
from gateway.cli.running import Unreachable, ask
from gateway.cli.stored import NoDatabase
from gateway.config.export import document
from gateway.config.problems import ConfigError
from gateway.config.references import Secret
from gateway.config.schema import Config
from gateway.snapshot.entities import Entities

EXIT_SAME = 0
EXIT_DIFFERENT = 1
EXIT_TROUBLE = 2
"""As diff(1) has them."""

SECTIONS = {
    "providers": "provider",
    "routes": "route",
    "virtual_keys": "virtual_key",
    "teams": "team",
    "customers": "customer",
    "prices": "price",
}
"""Whose members have names of their own."""
_NOTHING = object()


def diff(file: str, config: str, where: Where, out: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Print it, an entity or a member a line; ``config`` is the file in force, without one the running gateway says
    which that is. Returns the exit status."""
    try:
        path = config or in_force(where)
        old, new = read_file(path, environ).config, read_file(file, environ).config
        before, after = old, new
        left: list[tuple[str, str]] = []
        if where.is_given or where.exists:
            # One state of the database for both.
            found = entities(where, old, environ)
            before, shadowed = _with(where, old, found)
            after, left_out = _with(where, new, found)
            left = [(label, why) for label, why in left_out.items() if label not in shadowed]
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    except (NoDatabase, Unreachable) as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_TROUBLE
    lines = [
        *differences(before, after),
        *(f"! {label} of the database would be left out: {why}" for label, why in left),
    ]
    for line in lines:
        print(line, file=out)
    if not lines:
        print("no difference", file=out)
    return EXIT_DIFFERENT if lines else EXIT_SAME


def in_force(where: Where) -> str:
    """Path of the file that the running gateway was started with; empty: none. Raises Unreachable."""
    try:
        return str(ask(where.data_dir, "GET", "/api/config", None)["file"])
    except Unreachable as error:
        raise Unreachable(f"{error}, or say with --config which file is in force") from None


def _with(where: Where, config: Config, found: Entities) -> tuple[Config, dict[str, str]]:
    merged = together(where, config, found)
    return merged.config, {left.label: left.why for left in merged.left_out}


def differences(before: Config, after: Config) -> Iterator[str]:
    """What is new (``+``), gone (``-``) or other (``~``), in the order of the sections; no secret is shown."""
    old, new = _by_name(before), _by_name(after)
    for name in dict.fromkeys((*old, *new)):
        was, is_ = old.get(name, _NOTHING), new.get(name, _NOTHING)
        if "/" not in name:
            yield from (f"~ {name}{where}: {change}" for where, change in _changes(was, is_))
        elif was is _NOTHING:
            yield f"+ {name}"
        elif is_ is _NOTHING:
            yield f"- {name}"
        else:
            yield from (f"~ {name}{where}: {change}" for where, change in _changes(was, is_))


def _by_name(config: Config) -> dict[str, Any]:
    """``kind/name`` -> entity, and ``section`` -> all else, secrets as they are."""
    whole = document(config, lambda secret, _path: secret)
    found: dict[str, Any] = {}
    for section, value in whole.items():
        kind = SECTIONS.get(section)
        if kind is None:
            found[section] = value
        else:
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            # A price rule without a name is told by its place.
            found |= {f"{kind}/{entity.get('name', name)}": entity for name, entity in entries}
    return found


def _changes(was: Any, is_: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """(member, what became of it) of everything in it that is not as it was."""
    if (was is _NOTHING and isinstance(is_, dict)) or (is_ is _NOTHING and isinstance(was, dict)):
        was, is_ = {} if was is _NOTHING else was, {} if is_ is _NOTHING else is_
    if isinstance(was, Secret) and isinstance(is_, Secret):
        if was != is_:
            yield where, "another secret"
    elif isinstance(was, dict) and isinstance(is_, dict):
        for name in dict.fromkeys((*was, *is_)):
            yield from _changes(was.get(name, _NOTHING), is_.get(name, _NOTHING), f"{where}.{name}")
    elif _are_named(was) and _are_named(is_):
        yield from _changes({e["name"]: e for e in was}, {e["name"]: e for e in is_}, where)
    elif isinstance(was, list) and isinstance(is_, list) and len(was) == len(is_):
        for place, (one, other) in enumerate(zip(was, is_, strict=True)):
            yield from _changes(one, other, f"{where}[{place}]")
    elif was != is_:
        yield where, f"{_shown(was)} -> {_shown(is_)}"


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value)


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "(default)"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)

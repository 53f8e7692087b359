"""A configuration as a document again: plain values that a file may have, without any secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.config.names import RowId
from gateway.config.references import Secret, Text
from gateway.config.schema import Config
from gateway.config.units import Duration, Money, Period

SecretOf = Callable[[Secret, str], Any]
"""What stands for a secret, given the path of its member (``providers.openai.keys.main.value``)."""

_CREDENTIAL = re.compile(r"authorization|cookie|key|token|secret|password", re.IGNORECASE)
"""Header fields whose values are kept out like secrets."""


def as_yaml(config: Config) -> tuple[str, dict[str, str]]:
    """The configuration as a file, secrets as references, and what has to be set for it: variable -> the path of the
    secret that it is to hold."""
    import yaml

    wanted: dict[str, str] = {}

    def named(_secret: Secret, path: str) -> str:
        name = reference(path)
        while wanted.setdefault(name, path) != path:
            # Two paths that differ in punctuation alone.
            name += "_"
        return name

    found = document(with_values(config), named)
    text: str = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)
    return text, {name.removeprefix("env."): path for name, path in wanted.items()}


def with_values(config: Config) -> Config:
    """Virtual keys of the database as files have them: a digest that only this instance can make is of no use there."""
    keys: list[Any] = [
        msgspec.structs.replace(entry, hash=None, value=Secret("of the database"))
        if isinstance(entry.id, RowId)
        else entry
        for entry in config.virtual_keys
    ]
    return msgspec.structs.replace(config, virtual_keys=keys)


def document(value: Any, secret: SecretOf, path: str = "") -> Any:
    """``value``, a ``Config`` or a part of it. Members that have their defaults are left out, and the ids of rows of a
    database, which mean nothing in a file; text that came from a reference is that reference."""
    if isinstance(value, Secret):
        return value.source or secret(value, path)
    if isinstance(value, msgspec.Struct):
        return _members(value, secret, path)
    if isinstance(value, dict):
        headers = path.endswith(".headers")
        return {
            name: document(
                Secret(member, member.source) if headers and _CREDENTIAL.search(name) else member,
                secret,
                f"{path}.{name}",
            )
            for name, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [document(member, secret, f"{path}.{_called(member, place)}") for place, member in enumerate(value)]
    if isinstance(value, Text):
        return value.source or str(value)
    if isinstance(value, Period):
        return value.calendar or span(value)
    if isinstance(value, Duration):
        return span(value)
    if isinstance(value, Money):
        whole, _, part = value.in_usd().partition(".")
        return f"{whole}.{part.rstrip('0')}" if part.rstrip("0") else int(whole)
    if isinstance(value, float):
        return float(value) if value % 1 else int(value)
    # No writer of documents knows subclasses of a built-in type.
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def reference(path: str) -> str:
    """The variable that is to hold the secret at this path: ``env.MICROGATE_PROVIDERS_OPENAI_KEYS_MAIN_VALUE``."""
    return "env.MICROGATE_" + re.sub(r"[^A-Z0-9]+", "_", path.upper()).strip("_")


def span(seconds: float) -> str:
    """As files have it: ``30d``, ``90s``."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{float(seconds):g}s"


def _members(value: msgspec.Struct, secret: SecretOf, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(value)):
        member = getattr(value, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if isinstance(member, RowId) or (member == default and type(member) is type(default)):
            continue
        found[field.encode_name] = document(
            member, secret, f"{path}.{field.encode_name}" if path else field.encode_name
        )
    return found


def _called(member: object, place: int) -> str:
    """The name of an item of a list, or its place."""
    return str(getattr(member, "name", "") or place)

"""Entities with secrets in them: which members are secret is told by their type alone.

``sealed`` makes of an entity the body that is stored, ``opened`` makes the entity again, ``masked`` what may be shown.
A secret added to a type later is encrypted and masked without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from gateway.config.references import FilePath, Secret, SecretDocument, Text
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
from gateway.secrets.envelope import Place, key_of, seal, unseal
from gateway.secrets.master_key import KeyRing

SHOWN_CHARACTERS = 4
MASKED_FROM = 16
"""Of a secret this long its last characters are shown, so that two can be told apart; of a shorter one nothing."""

Entity = TypeVar("Entity")


def converted(body: Any, kind: type[Entity]) -> Entity:
    """``body`` as this type. Text is taken as it stands: what comes through the API refers to no variable and no file
    of the gateway's machine. Raises msgspec.ValidationError."""
    return msgspec.convert(body, kind, dec_hook=_taken)


def plain(entity: Any) -> Any:
    """The entity as plain values, secrets in clear: for nobody but the caller who keeps them secret."""
    return msgspec.to_builtins(entity, enc_hook=_revealed)


def sealed(ring: KeyRing, table: str, row: str, entity: Any) -> Any:
    """The entity as plain values, each secret encrypted for its place."""

    def close(secret: Secret, field: str) -> Secret:
        return type(secret)(seal(ring, Place(table, row, field), secret.reveal()))

    return plain(_each(entity, close))


def opened(ring: KeyRing, table: str, row: str, body: Any, kind: type[Entity]) -> Entity:
    """The entity that ``sealed`` was given. Raises SealedError, msgspec.ValidationError."""

    def open_(secret: Secret, field: str) -> Secret:
        return type(secret)(unseal(ring, Place(table, row, field), secret.reveal()))

    found: Entity = _each(converted(body, kind), open_)
    return found


def masked(entity: Any) -> Any:
    """The entity as plain values that may be shown."""
    return plain(_each(entity, lambda secret, _field: Secret(mask(secret.reveal()))))


def mask(value: str) -> str:
    """What is shown of a secret."""
    return f"...{value[-SHOWN_CHARACTERS:]}" if len(value) >= MASKED_FROM else "..."


def key_ids(body: Any, kind: type) -> set[str]:
    """Ids of the master keys with which secrets of a stored body are encrypted."""
    return {key_of(secret.reveal()) for secret, _field in secrets_of(converted(body, kind))}


def secrets_of(entity: Any) -> Iterator[tuple[Secret, str]]:
    """Every secret of an entity and the path of its member."""
    found: list[tuple[Secret, str]] = []

    def note(secret: Secret, field: str) -> Secret:
        found.append((secret, field))
        return secret

    _each(entity, note)
    yield from found


def changed_secrets(entity: Entity, change: Callable[[Secret, str], Secret]) -> Entity:
    """The entity with every secret as ``change`` (told the path of its member) makes it."""
    found: Entity = _each(entity, change)
    return found


def _each(value: Any, change: Callable[[Secret, str], Secret], path: str = "") -> Any:
    """``value`` with every secret in it changed; what holds none stays the object it is."""
    if isinstance(value, Secret):
        return change(value, path)
    if isinstance(value, msgspec.Struct):
        members = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {
            name: new
            for name, member in members.items()
            if (new := _each(member, change, f"{path}.{name}" if path else name)) is not member
        }
        return msgspec.structs.replace(value, **changed) if changed else value
    if isinstance(value, dict):
        items = {name: _each(member, change, f"{path}[{name!r}]") for name, member in value.items()}
        return items if any(items[name] is not member for name, member in value.items()) else value
    if isinstance(value, (list, tuple)):
        new = [_each(member, change, f"{path}[{i}]") for i, member in enumerate(value)]
        return type(value)(new) if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def _taken(wanted: type, found: Any) -> Any:
    if wanted is Duration:
        return parse_duration(found)
    if wanted is Size:
        return parse_size(found)
    if wanted is Period:
        return parse_period(found)
    if wanted is Money:
        return parse_money(found)
    if wanted is Usd:
        return parse_usd(found)
    if not isinstance(found, str):
        raise ValueError("expected text")
    if issubclass(wanted, Secret):
        if wanted is not SecretDocument and (not found.isprintable() or not found.isascii() or found != found.strip()):
            raise ValueError("a credential must be printable ASCII on one line, without a space at its ends")
        return wanted(found)
    if issubclass(wanted, (Text, FilePath)):
        return wanted(found)
    raise NotImplementedError(wanted)


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Period):
        return value.calendar or float(value)
    if isinstance(value, Money):
        return value.in_usd()
    # msgspec writes no subclass of a built-in type.
    for kind in (str, float, int):
        if isinstance(value, kind):
            return kind(value)
    raise NotImplementedError(type(value))

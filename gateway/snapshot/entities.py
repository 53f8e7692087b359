"""One configuration of the file and of what was made through the API.

Names are unique over both. On a clash the file wins: the other one is kept and named as shadowed. An entity of the
database that cannot be used as things stand (it names a provider that is gone, say) is left out and named as unusable,
so that it keeps no change of the file from coming into force. What the file declares refers to the file alone, so that
the file can be judged, and a start succeed, without the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

from gateway.config.problems import Problem
from gateway.config.schema import Config
from gateway.snapshot.plan import digest_of

VIRTUAL_KEY = "virtual_key"
SECTIONS = {VIRTUAL_KEY: "virtual_keys", "provider": "providers", "route": "routes"}
"""Kind of entity -> member of the configuration."""
_KINDS = {section: kind for kind, section in SECTIONS.items()}

Place: TypeAlias = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True)
class Left:
    """An entity of the database that is not in force."""

    id: str
    label: str
    """``virtual_key/alice``"""
    why: str


@dataclass(frozen=True, slots=True)
class Entities:
    """What the database has, as entries of a configuration whose ``id`` is a ``RowId``."""

    revision: int = 0
    entries: Mapping[Place, Any] = field(default_factory=dict)
    broken: Sequence[Left] = ()
    """Rows that could not be read."""

    def changed(self, entity_id: str, others: Entities) -> Entities:
        """These without the entity of that id, and ``others``."""
        kept = {place: entry for place, entry in self.entries.items() if entry.id != entity_id}
        return Entities(self.revision, {**kept, **others.entries})


@dataclass(frozen=True, slots=True)
class Merged:
    """Both as one."""

    config: Config
    shadowed: tuple[Left, ...] = ()
    unusable: tuple[Left, ...] = ()

    @property
    def left_out(self) -> tuple[Left, ...]:
        return self.shadowed + self.unusable


class EntitySource(Protocol):
    """The database, as the builder wants it; asked on a thread."""

    def entities(self, config: Config, /) -> Entities | None:
        """None while the database cannot be asked. ``config`` says where master keys are."""

    def revision(self) -> int:
        """Of the entities; -1 while the database cannot be asked."""


def merge(config: Config, entities: Entities, validate: Callable[[Config], list[Problem]], pepper: bytes) -> Merged:
    """``config`` is the file's, in which there is no mistake; ``validate`` judges the whole, and what it says of an
    entity of the database leaves that one out. ``pepper`` tells whether two virtual keys have the same value."""
    found = dict(entities.entries)
    of_file = {kind: declared(config, kind).keys() for kind in SECTIONS}
    hidden = [place for place in found if place[1] in of_file[place[0]]]
    shadowed = [_left(place, found.pop(place), "the file declares one of this name") for place in hidden]
    taken = "another virtual key has the same value"
    unusable = [
        *entities.broken,
        *(_left(place, found.pop(place), taken) for place in _values_taken(config, found, pepper)),
    ]
    while found:
        whole, keys = _whole(config, found)
        bad: dict[Place, str] = {}
        for problem in validate(whole):
            if not problem.warning and (place := _place(problem, len(config.virtual_keys), keys)) in found:
                bad.setdefault(place, problem.message)
        unusable += [_left(place, found.pop(place), why) for place, why in bad.items()]
        if not bad:
            return Merged(whole, tuple(shadowed), tuple(unusable))
    return Merged(config, tuple(shadowed), tuple(unusable))


def declared(config: Config, kind: str) -> Mapping[str, Any]:
    """Name -> entry of those of a kind."""
    if kind == VIRTUAL_KEY:
        return {entry.name: entry for entry in config.virtual_keys}
    section: Mapping[str, Any] = getattr(config, SECTIONS[kind])
    return section


def _values_taken(config: Config, found: Mapping[Place, Any], pepper: bytes) -> list[Place]:
    """Virtual keys whose value an earlier one has."""
    keys = {place: entry for place, entry in found.items() if place[0] == VIRTUAL_KEY}
    taken = {digest_of(entry, pepper) for entry in config.virtual_keys} if keys else set()
    late = []
    for place, entry in keys.items():
        digest = digest_of(entry, pepper)
        if digest in taken:
            late.append(place)
        taken.add(digest)
    return late


def _whole(config: Config, found: Mapping[Place, Any]) -> tuple[Config, list[str]]:
    """The configuration with these in it, and the names of its virtual keys that are not the file's."""
    sections: dict[str, Any] = {}
    names: list[str] = []
    for kind, section in SECTIONS.items():
        mine = {name: entry for (each, name), entry in found.items() if each == kind}
        if kind == VIRTUAL_KEY:
            names = list(mine)
            sections[section] = [*config.virtual_keys, *mine.values()]
        else:
            sections[section] = {**getattr(config, section), **mine}
    return msgspec.structs.replace(config, **sections), names


def _place(problem: Problem, own: int, keys: Sequence[str]) -> Place:
    """Kind and name of what a problem is about; empty for what is no entity, or a virtual key of the file."""
    match problem.path:
        case ("virtual_keys", int(at), *_):
            return (VIRTUAL_KEY, keys[at - own]) if at >= own else ("", "")
        case (str(section), str(name), *_):
            return _KINDS.get(section, ""), name
    return "", ""


def _left(place: Place, entry: object, why: str) -> Left:
    return Left(str(getattr(entry, "id", "")), "/".join(place), why)

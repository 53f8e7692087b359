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

from gateway.config.prices import price_name
from gateway.config.problems import Problem
from gateway.config.schema import Config
from gateway.config.settings import SETTING, StoredSetting, filled, group_of
from gateway.snapshot.plan import digest_of

VIRTUAL_KEY, PRICE = "virtual_key", "price"
SECTIONS = {
    VIRTUAL_KEY: "virtual_keys",
    "provider": "providers",
    "route": "routes",
    "customer": "customers",
    "team": "teams",
    PRICE: "prices",
}
"""Kind of entity -> member of the configuration. Settings lie in several: ``gateway/config/settings.py``."""
LISTS = (VIRTUAL_KEY, PRICE)
"""Kinds of which the configuration has a list, not a mapping."""
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
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those of the database: group -> value."""

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
    hidden = [place for place in found if place[1] in of_file.get(place[0], ())]
    shadowed = [_left(place, found.pop(place), "the file declares one of this name") for place in hidden]
    taken = "another virtual key has the same value"
    unusable = [
        *entities.broken,
        *(_left(place, found.pop(place), taken) for place in _values_taken(config, found, pepper)),
    ]
    while found:
        whole = _whole(config, found)
        bad: dict[Place, str] = {}
        for problem in validate(whole):
            if not problem.warning and (place := _place(problem, whole)) in found:
                bad.setdefault(place, problem.message)
        unusable += [_left(place, found.pop(place), why) for place, why in bad.items()]
        if not bad:
            return Merged(whole, tuple(shadowed), tuple(unusable), _settings(found))
    return Merged(config, tuple(shadowed), tuple(unusable))


def declared(config: Config, kind: str) -> Mapping[str, Any]:
    """Name -> entry of those of a kind."""
    if kind == VIRTUAL_KEY:
        return {entry.name: entry for entry in config.virtual_keys}
    if kind == PRICE:
        return {price_name(entry, i): entry for i, entry in enumerate(config.prices)}
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


def _whole(config: Config, found: Mapping[Place, Any]) -> Config:
    """The configuration with these in it, behind the file's own."""
    sections: dict[str, Any] = {}
    for kind, section in SECTIONS.items():
        mine = {name: entry for (each, name), entry in found.items() if each == kind}
        if not mine:
            continue
        of_file = getattr(config, section)
        sections[section] = [*of_file, *mine.values()] if kind in LISTS else {**of_file, **mine}
    return filled(msgspec.structs.replace(config, **sections), _settings(found).items())


def _settings(found: Mapping[Place, Any]) -> dict[str, Any]:
    """Group -> value of those in force."""
    return {name: stored.value for (kind, name), stored in found.items() if isinstance(stored, StoredSetting)}


def _place(problem: Problem, whole: Config) -> Place:
    """Kind and name of what a problem is about; empty for what is none of these."""
    match problem.path:
        case (str(section), int(at), *_) if section in _KINDS:
            return _KINDS[section], getattr(whole, section)[at].name or ""
        case (str(section), str(name), *_) if section in _KINDS:
            return _KINDS[section], name
    return SETTING, group_of(problem.path)


def _left(place: Place, entry: object, why: str) -> Left:
    return Left(str(getattr(entry, "id", "")), "/".join(place), why)

"""From names, as people write them, to the ids that records have, and back."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.control.trail import unsigned
from gateway.snapshot.model import id_hash


def ids_of(kind: str, name: str, names: Mapping[int, str]) -> tuple[int, ...]:
    """Unsigned ids of everything that has or had this name. A name that nothing is known of is tried as the id of a
    file's entity."""
    label = f"{kind}/{name}"
    return tuple(identity for identity, known in names.items() if known == label) or (id_hash(f"file:{label}"),)


def name_of(identity: int, names: Mapping[int, str]) -> str:
    """Empty for none; an id that has no name any more is shown as it is."""
    if not identity:
        return ""
    known = names.get(unsigned(identity))
    return f"id:{unsigned(identity):016x}" if known is None else known.partition("/")[2]

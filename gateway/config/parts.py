"""Types made of some members of another, so that a field that is added there is here as well."""

from __future__ import annotations

from typing import Any

import msgspec


def without(entry: type[msgspec.Struct], name: str, *left_out: str) -> type[msgspec.Struct]:
    """The type ``entry`` as ``name``, without some members."""
    return only(entry, name, *(each for each in entry.__struct_fields__ if each not in left_out))


def only(entry: type[msgspec.Struct], name: str, *kept: str) -> type[msgspec.Struct]:
    """The type ``entry`` as ``name``, with these members alone."""
    fields: list[Any] = []
    for each in msgspec.structs.fields(entry):
        if each.name not in kept:
            continue
        if each.default is not msgspec.NODEFAULT:
            fields.append((each.name, each.type, each.default))
        elif each.default_factory is not msgspec.NODEFAULT:
            fields.append((each.name, each.type, msgspec.field(default_factory=each.default_factory)))
        else:
            fields.append((each.name, each.type))
    made = msgspec.defstruct(
        name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, module=__name__
    )
    made.__doc__ = entry.__doc__
    return made

"""Google's restricted schemas (OpenAPI 3.0, ``Schema``) as JSON schema.

Only what callers wrote as ``parameters`` and ``responseSchema`` passes here, for targets of other dialects; the other
way, ``parametersJsonSchema`` and ``responseJsonSchema`` take JSON schema as it is.
"""

from __future__ import annotations

from typing import Any

from providers.neutral import Json, Malformed

_TYPES = ("", "string", "number", "integer", "boolean", "array", "object", "null")
"""By the numbers of the enumeration ``Type``; 0 says nothing."""
_LENGTHS = frozenset(
    ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
)  # protobuf writes int64 as text
_SPELT = {
    "any_of": "anyOf", "min_length": "minLength", "max_length": "maxLength", "min_items": "minItems",
    "max_items": "maxItems", "min_properties": "minProperties", "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering", "additional_properties": "additionalProperties",
}  # fmt: skip
_MAX_DEPTH = 64
"""Deeper schemas are refused: no model takes one, and the walk is recursive."""


def json_schema(value: Json, member: str) -> Json:
    """``value`` as JSON schema. Raises Malformed."""
    return _schema(value, member, 0)


def _schema(value: Json, member: str, depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise Malformed(f"'{member}' is nested too deeply.", member)
    out: Json = {}
    nullable = False
    for spelt, given in value.items():
        name = _SPELT.get(spelt, spelt)
        if name == "type":
            if said := _type(given):
                out["type"] = said
        elif name == "nullable":
            nullable = given is True
        elif name == "propertyOrdering":
            continue
        elif name == "example":
            out["examples"] = [given]
        elif name == "properties" and isinstance(given, dict):
            out[name] = {key: _inner(inner, member, depth) for key, inner in given.items()}
        elif name == "anyOf" and isinstance(given, list):
            out[name] = [_inner(inner, member, depth) for inner in given]
        elif name in ("items", "additionalProperties"):
            out[name] = _inner(given, member, depth)
        elif name in _LENGTHS and isinstance(given, str) and given.isdecimal() and len(given) < 19:
            out[name] = int(given)
        elif name == "format" and given == "enum":
            continue
        else:
            out[name] = given
    return _or_null(out) if nullable else out


def _inner(value: Any, member: str, depth: int) -> Any:
    return _schema(value, member, depth + 1) if isinstance(value, dict) else value


def _type(value: Any) -> Any:
    if isinstance(value, str):
        return "" if value == "TYPE_UNSPECIFIED" else value.lower()
    if isinstance(value, list):
        return [_type(one) for one in value]
    if isinstance(value, int) and 0 < value < len(_TYPES):
        return _TYPES[value]
    return ""


def _or_null(schema: Json) -> Json:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema

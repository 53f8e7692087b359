"""Renders docs/configuration.md from the schema: ``python docs/render_configuration.py > docs/configuration.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from msgspec import NODEFAULT, Struct, inspect
from msgspec.structs import asdict

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.config import alerts, cache, log, schema, server
from gateway.config.units import CALENDAR
from gateway.snapshot import model
from gateway.snapshot.cache import Semantic
from gateway.snapshot.settings import defaults

# A field that is left out of the file (None) has the default of what the file is turned into.
DEFAULTS: dict[type[Struct], dict[str, Any]] = {
    schema.Config: defaults("accounting"),
    schema.TimeoutsEntry: defaults("timeouts"),
    schema.HealthEntry: defaults("health"),
    schema.PromptCacheAffinityEntry: asdict(model.PromptCacheAffinity()),
    schema.RetryEntry: defaults("retry"),
    log.LogEntry: defaults("log"),
    alerts.AlertsEntry: defaults("alerts"),
    alerts.ErrorRateEntry: asdict(alerts.ErrorRate()),
    log.RollupsEntry: defaults("log.rollups"),
    cache.CacheEntry: defaults("cache"),
    cache.SemanticEntry: {"embed_timeout": Semantic(embedder="").embed_timeout},
    schema.ModelListsEntry: defaults("model_lists"),
    server.ServerEntry: defaults("server"),
    server.ServerLimitsEntry: defaults("server.limits"),
    server.OverloadEntry: defaults("server.overload"),
}
KINDS = {
    inspect.BoolType: "yes or no",
    inspect.FloatType: "number",
    inspect.IntType: "whole number",
    inspect.NoneType: "nothing",
    inspect.StrType: "text",
}
CUSTOM = {
    "Secret": "secret",
    "SecretDocument": "secret of several lines",
    "Text": "text",
    "FilePath": "path",
    "Duration": "time",
    "Period": "time or period",
    "Money": "amount",
    "Size": "size",
    "Usd": "amount",
}
SECONDS = ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)
BYTES = ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)

INTRODUCTION = f"""\
# What can the configuration file say?

`microgate serve --config microgate.yaml` reads YAML, JSON or TOML, by the file's extension. `microgate check FILE` says
what is wrong with it, with line numbers, and `microgate schema` prints the JSON Schema for your editor. A change of the
file, or SIGHUP, is taken over without a restart; a file with a mistake is refused and the running configuration stays.

The smallest useful file:

```yaml
providers:
  openai:
    keys: [{{name: main, value: env.OPENAI_API_KEY}}]
virtual_keys:
  - {{name: alice, value: env.ALICE_KEY}}
```

* A **secret** or **text** may be written as it is, as `env.NAME` (an environment variable) or as `file.PATH` (the
  content of a file). A **path** starts from the directory of the configuration file unless it is absolute; so does
  `file.PATH`.
* A **time** is a number of seconds or text: `250ms`, `30s`, `5m`, `1h30m`, `30d`. A **size** is a number of bytes or
  text: `64KiB`, `32MiB`. An **amount** is USD, a number or text with up to nine digits behind the point: `0.075`.
* A **period** of the calendar is {", ".join(f"`{name}`" for name in CALENDAR)}: it begins when the clock of `time_zone`
  says so.
* An **operation** is one of {", ".join(f"`{name}`" for name in get_args(schema.OperationName))}.
* Unknown fields are errors, and the answer names the nearest one that exists.
* What callers ask for as `model` is, in this order: the name of a route; `provider/model`; a bare model where the
  path's own provider or the declared models leave no doubt.

This page is rendered from the schema by `docs/render_configuration.py`.
"""


def metadata(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """The type inside its annotations, and the description they carry."""
    description = ""
    while isinstance(kind, inspect.Metadata):
        description = description or (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    return kind, description


def members(kind: inspect.UnionType) -> list[inspect.Type]:
    return [member for member in (metadata(t)[0] for t in kind.types) if not isinstance(member, inspect.NoneType)]


def anchor(struct: type[Struct]) -> str:
    title = TITLES[struct].replace("`", "").replace(".", "").replace("<", "").replace(">", "").replace("[]", "")
    return title.replace(" ", "-").lower()


def name_of(kind: inspect.Type) -> str:
    """A type as a reader of the page knows it."""
    kind, _ = metadata(kind)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(dict.fromkeys(name_of(member) for member in members(kind)))
    if isinstance(kind, inspect.StructType):
        return f"[{f'`{kind.tag}`' if kind.tag else TITLES[kind.cls]}](#{anchor(kind.cls)})"
    if isinstance(kind, inspect.LiteralType):
        if set(kind.values) == set(get_args(schema.OperationName)):
            return "operation"
        return ", ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, inspect.ListType):
        return f"list of {name_of(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return f"mapping of {name_of(kind.key_type)} to {name_of(kind.value_type)}"
    if isinstance(kind, inspect.CustomType):
        return CUSTOM[kind.cls.__name__]
    text = KINDS[type(kind)]
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        if kind.ge is not None and kind.le is not None and kind.le < 2**31:
            return f"{text}, {kind.ge:g} to {kind.le:g}"
        if kind.ge:
            return f"{text}, from {kind.ge:g}"
    return text


def custom_name(kind: inspect.Type) -> str:
    kind, _ = metadata(kind)
    if isinstance(kind, inspect.UnionType):
        return custom_name(members(kind)[0])
    return kind.cls.__name__ if isinstance(kind, inspect.CustomType) else ""


def readable(value: Any, kind: str) -> str:
    """A default as it would be written in the file."""
    if kind == "Duration" and value:
        for unit, seconds in SECONDS:
            if value >= seconds and value % seconds == 0:
                return f"`{value / seconds:g}{unit}`"
        return f"`{value * 1000:g}ms`"
    if kind == "Size" and value:
        for unit, size in BYTES:
            if value % size == 0:
                return f"`{value // size}{unit}`"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value:g}`" if isinstance(value, int | float) else f"`{value}`" if str(value) else ""


def default_of(struct: type[Struct], field: inspect.Field) -> str:
    if field.required:
        return "**needed**"
    value = field.default if field.default is not NODEFAULT else None
    if value is None and struct in DEFAULTS and field.default_factory is NODEFAULT:
        value = DEFAULTS[struct].get(field.name)
    if value is None or isinstance(value, Struct | dict | list):
        return ""
    return readable(value, custom_name(field.type))


def nested(kind: inspect.Type) -> Iterator[tuple[str, type[Struct]]]:
    """Sections inside a field, with what stands between its name and theirs."""
    kind, _ = metadata(kind)
    if isinstance(kind, inspect.StructType):
        yield "", kind.cls
    elif isinstance(kind, inspect.ListType):
        yield from (("[]" + suffix, struct) for suffix, struct in nested(kind.item_type))
    elif isinstance(kind, inspect.DictType):
        yield from ((".<name>" + suffix, struct) for suffix, struct in nested(kind.value_type))
    elif isinstance(kind, inspect.UnionType):
        for member in kind.types:
            yield from nested(member)


def titles() -> dict[type[Struct], str]:
    """Every section once, under the first path at which it occurs, in the order of the schema."""
    found: dict[type[Struct], str] = {}

    def walk(struct: type[Struct], path: str) -> None:
        if struct in found:
            return
        tag = inspect.type_info(struct).tag
        found[struct] = f"`{path}`" + (f" of type `{tag}`" if tag else "") if path else "The file"
        for field in fields_of(struct):
            for suffix, inner in nested(field.type):
                walk(inner, f"{path}.{field.encode_name}{suffix}".lstrip("."))

    walk(schema.Config, "")
    return found


def fields_of(struct: type[Struct]) -> tuple[inspect.Field, ...]:
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    return kind.fields


TITLES = titles()


def page() -> str:
    out = [INTRODUCTION]
    for struct, title in TITLES.items():
        out += [f"\n## {title}\n", (struct.__doc__ or "").strip().splitlines()[0], ""]
        out += ["| field | value | default | meaning |", "|---|---|---|---|"]
        kind = inspect.type_info(struct)
        if kind.tag_field:
            out.append(f"| `{kind.tag_field}` | `{kind.tag}` | **needed** |  |")
        for field in fields_of(struct):
            _, description = metadata(field.type)
            row = [f"`{field.encode_name}`", name_of(field.type), default_of(struct, field), description]
            out.append("| " + " | ".join(row) + " |")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())

"""The configuration that an import makes, as plain values; and whether the gateway could be started with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import yaml

from gateway.config.loader import loads
from gateway.config.problems import ConfigError, Problem

Kind = str
"""What a reference stands for: ``secret``, ``url``, ``text``, ``region``, ``document``, ``store``."""

_SAMPLES: Mapping[Kind, str] = {
    "secret": "sample-00000000000000000000000000{n}",
    "url": "https://sample{n}.example.com",
    "text": "sample{n}",
    "region": "us-east-1",
    "store": "redis://sample{n}.example.com:6379",
    "document": '{"type":"service_account","client_email":"sample{n}","private_key":"sample","token_uri":"https://x"}',
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_PREFIXES = ("os.environ/", "env.")


class Draft:
    """Sections as the file will have them; names that are taken; variables that have to be set."""

    def __init__(self) -> None:
        self.sections: dict[str, Any] = {}
        self.variables: dict[str, Kind] = {}

    def put(self, to: tuple[str, ...], value: Any) -> None:
        """``value`` at the end of a way through mappings."""
        at = self.sections
        for name in to[:-1]:
            at = at.setdefault(name, {})
        at[to[-1]] = value

    def section(self, name: str) -> Any:
        """A mapping of the document, made if need be."""
        return self.sections.setdefault(name, {})

    def items(self, name: str) -> list[Any]:
        """A list of the document, made if need be."""
        found: list[Any] = self.sections.setdefault(name, [])
        return found

    def env(self, variable: str, kind: Kind = "secret") -> str:
        """A reference to a variable of the environment."""
        self.variables.setdefault(variable, kind)
        return f"env.{variable}"

    def value(self, written: Any, kind: Kind = "secret") -> str:
        """Text of the source as it stands here: references become ours, what looks like one of ours is kept apart.
        Raises ValueError for what is no text."""
        variable = variable_in(written)
        if variable is not None:
            return self.env(variable, kind)
        if not isinstance(written, (str, int, float)) or isinstance(written, bool) or written == "":
            raise ValueError("no text")
        return str(written)

    def document(self) -> dict[str, Any]:
        """Sections in the order of the schema, empty ones left out."""
        from gateway.config.schema import Config

        order = [*Config.__struct_fields__, *self.sections]
        return {name: self.sections[name] for name in dict.fromkeys(order) if self.sections.get(name)}

    def text(self, head: str = "") -> str:
        """The file."""
        written = yaml.safe_dump(self.document(), sort_keys=False, allow_unicode=True, width=120)
        return head + (written if self.document() else "{}\n")

    def check(self, directory: str, environ: Mapping[str, str] = os.environ) -> tuple[Problem, ...]:
        """The warnings of the gateway's own loader. Variables that are not set yet and files that are not here yet have
        a sample's value for it, and packages that are not installed are a warning. Raises ConfigError."""
        samples = {name: sample(kind, n) for n, (name, kind) in enumerate(self.variables.items())}
        absent: dict[str, str] = {}
        text = yaml.safe_dump(_with_samples(self.document(), directory, absent), sort_keys=False)
        known = {**samples, **absent, **{name: value for name, value in environ.items() if value}}
        try:
            return loads(text, os.path.join(directory, "imported.yaml"), known).warnings
        except ConfigError as error:
            if all(problem.warning or problem.hint.startswith("pip install") for problem in error.problems):
                return error.problems
            raise


def sample(kind: Kind, n: int) -> str:
    """What a variable of this kind might hold; another for each ``n``."""
    return _SAMPLES[kind].replace("{n}", str(n))


def variable_in(written: Any) -> str | None:
    """The variable that ``os.environ/NAME`` or ``env.NAME`` refers to."""
    if not isinstance(written, str):
        return None
    for prefix in _PREFIXES:
        if written.startswith(prefix):
            name = written.removeprefix(prefix).strip()
            return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else None
    return None


def slug(text: str) -> str:
    """``text`` as a name can be written here; empty when nothing is left of it."""
    return _NOT_IN_NAMES.sub("-", text.strip()).strip("-._")[:120]


def free_name(wanted: str, taken: Any) -> str:
    """``wanted``, or with a number behind it: what is not in ``taken`` yet."""
    if wanted not in taken:
        return wanted
    return next(name for n in range(2, 100_000) if (name := f"{wanted}-{n}") not in taken)


def _with_samples(value: Any, directory: str, absent: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_samples(member, directory, absent) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_samples(member, directory, absent) for member in value]
    if isinstance(value, str) and value.startswith("file."):
        path = os.path.join(directory, os.path.expanduser(value.removeprefix("file.")))
        if not os.access(path, os.R_OK):
            name = f"MICROGATE_SAMPLE_{len(absent)}"
            absent[name] = sample("document", len(absent))
            return f"env.{name}"
    return value

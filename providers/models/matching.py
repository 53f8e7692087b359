"""From a model's name, as providers and configuration spell it, to its entry in the vendor's file.

Only spellings that are known to mean the same model lead to an entry. A name that none of the rules explains is
unknown: a figure of a similar model would be an invention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FILES: dict[str, tuple[str, ...]] = {
    "azure_deployments": ("azure",),
    "bedrock_mantle": ("bedrock",),
    "gemini": ("google",),
    "vertex": ("google",),
}
"""Vendor -> files of its models, where they are not one of the vendor's own name."""

OTHERS_TOO: dict[str, tuple[str, ...]] = {
    "azure": ("openai", "anthropic", "deepseek", "xai", "moonshot"),
    "google": ("anthropic",),
}
"""File -> vendors whose models are sold under it at their makers' price; the source says so as well."""

NAMED_BY_OPERATOR = frozenset({"azure", "azure_deployments"})
"""Vendors whose models have names of the operator's choice: what they are may be told by the alias alone."""

BEDROCK = ("bedrock",)
OPENROUTER = ("openrouter",)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which a name can be written with more than the entry has."""

    what: str
    pattern: re.Pattern[str]
    instead: tuple[str, ...]
    files: tuple[str, ...] = ()
    """Empty: everybody's."""
    same_price: bool = True
    """Whether the model costs the same under the shorter name."""


def _rule(what: str, pattern: str, *instead: str, files: tuple[str, ...] = (), same_price: bool = True) -> Rule:
    return Rule(what, re.compile(pattern), instead, files, same_price)


RULES = (
    _rule("a path that ends in `models/NAME`", r"^(?:.*/)?models/([^/]+)$", r"\1"),
    _rule("the publisher in front, `google/NAME`", r"^[\w-]+/([^/]+)$", r"\1", files=("google",)),
    _rule("an ARN", r"^arn:.*/([^/]+)$", r"\1", files=BEDROCK),
    _rule(
        "Bedrock's geographic inference profile, `eu.NAME`; what is not `global.` costs what the region does",
        r"^(?:(?:us|us-gov|eu|apac|au|ca|in|jp|sa)\.)?(?!regional\.|global\.)(.+)$",
        r"regional.\1",
        r"\1",
        files=BEDROCK,
    ),
    _rule("Bedrock's version, `NAME-v1:0`", r"(?:-v\d+)?:\d+(?::\w+)?$|-v\d+$", "", files=BEDROCK),
    _rule("Google's revision, `NAME-001`", r"-00\d$", "", files=("google",)),
    _rule("a fine-tuned model, `ft:NAME:...`", r"^ft:([^:]+)(?::.*)?$", r"\1", files=("openai",), same_price=False),
    _rule(
        "OpenRouter's ways of choosing, `NAME:nitro`",
        r":(?:nitro|floor|online|exacto)$",
        "",
        files=OPENROUTER,
        same_price=False,
    ),
    _rule(
        "a dated snapshot or `latest`, `NAME-20250514`, `NAME-2025-05-14`, `NAME@20250514`",
        r"[-@](?:20\d{2}[01]\d[0-3]\d|20\d{2}-[01]\d-[0-3]\d|latest|default)$",
        "",
    ),
)
"""Applied in this order, each to all spellings that came before it."""


def files_of(vendor: str) -> tuple[str, ...]:
    """Names of the files that may know this vendor's models, the vendor's own first."""
    own = FILES.get(vendor, (vendor,))
    return (*own, *(other for name in own for other in OTHERS_TOO.get(name, ())))


def spellings(file: str, model: str) -> Iterator[tuple[str, bool]]:
    """Names under which ``model`` may be in this file, the most exact first, and whether its price is the model's."""
    found = {model.lower(): True}
    for rule in RULES:
        if rule.files and file not in rule.files:
            continue
        for name, priced in tuple(found.items()):
            if rule.pattern.search(name):
                for instead in rule.instead:
                    found.setdefault(rule.pattern.sub(instead, name), priced and rule.same_price)
    yield from found.items()


class Index:
    """The entries of one file by every name they have."""

    def __init__(self, file: str, models: Mapping[str, dict[str, Any]]) -> None:
        self.file = file
        self.ids: dict[str, str] = {}
        """Name in lower case -> id."""
        self.models = models
        for identity in models:
            self.ids.setdefault(identity.lower(), identity)
        for identity, entry in models.items():
            for name in entry.get("names", ()):
                self.ids.setdefault(name, identity)

    def find(self, model: str) -> tuple[str, bool] | None:
        """The id of the model's entry, and whether its price holds; None when it is not known."""
        for name, priced in spellings(self.file, model):
            identity = self.ids.get(name)
            if identity is not None:
                return identity, priced
        return None


def entry_of(index: Index, model: str) -> dict[str, Any] | None:
    """What the file says about ``model``; without a price where it has another under this name."""
    found = index.find(model)
    if found is None:
        return None
    identity, priced = found
    left_out = NAMES if priced else NAMES | PRICED
    return {name: value for name, value in index.models[identity].items() if name not in left_out}


def facts_of(indexes: Iterable[Index], model: str) -> dict[str, Any] | None:
    """What a vendor's files say about ``model`` together, the first of them first; None when none knows it."""
    found = [entry for index in indexes if (entry := entry_of(index, model)) is not None]
    if not found:
        return None
    merged: dict[str, Any] = {}
    for entry in found:
        # Money is taken from one file as a whole.
        money = PRICED if PRICED & merged.keys() else frozenset[str]()
        merged.update({name: value for name, value in entry.items() if name not in merged and name not in money})
    return merged


NAMES = frozenset({"names"})
PRICED = frozenset({"prices", "later", "hours", "variants"})
"""Members that are about money."""

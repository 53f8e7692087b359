"""Where a provider is: ``base_url``, or the parts of its vendor's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.config.addresses import judge_url
from gateway.config.problems import Path, Problem, nearest
from gateway.config.schema import ProviderEntry
from providers.addresses import placeholders

_ADDRESS_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def judge(known: str, entry: ProviderEntry, path: Path) -> Iterator[Problem]:
    """What is wrong with a provider's ``base_url`` or ``address``; ``known`` is the vendor's own, braces and all."""
    words = placeholders(known)
    for word, value in entry.address.items():
        here = (*path, "address", word)
        if entry.base_url is not None:
            yield Problem(here, "is not looked at beside a base_url", "leave one of the two out")
        elif word not in words:
            listed = f"it has: {', '.join(words)}" if words else "it has nothing to fill in"
            yield Problem(here, f"is no part of the address {known}", nearest(word, words) or listed)
        elif not _ADDRESS_PART.fullmatch(value):
            yield Problem(here, "must be a word of letters, digits, dots, colons and hyphens")
    if entry.base_url is not None:
        yield from _base_url(str(entry.base_url), (*path, "base_url"))


def _base_url(url: str, path: Path) -> Iterator[Problem]:
    if "{" in url:
        yield Problem(path, "fill in what stands in braces")
    elif reason := judge_url(url, allow_private=True):
        hint = "link-local and metadata addresses are never reached" if "metadata" in reason else ""
        yield Problem(path, f"cannot be used: {reason}", hint)
    elif url.rstrip("/").endswith("/chat/completions"):
        yield Problem(path, "ends with an operation's path", "leave out /chat/completions")

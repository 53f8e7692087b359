"""Vendors' addresses whose parts in braces are the operator's: ``https://{resource}.openai.azure.com``."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

GOOGLE_HOST = "{location}-aiplatform.googleapis.com"
GOOGLE_GLOBAL = "aiplatform.googleapis.com"
GOOGLE_JURISDICTION = "aiplatform.{location}.rep.googleapis.com"
"""The host of a location such as ``us`` or ``eu``, as google-genai and Anthropic's Vertex client have it."""


def placeholders(template: str) -> tuple[str, ...]:
    """What the operator has to fill in: names of the parts in braces."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))


def filled(template: str, given: Mapping[str, str]) -> str:
    """The address with its parts put in; empty when one of them is not given."""
    if any(not given.get(word) for word in placeholders(template)):
        return ""
    location = given.get("location", "")
    if location == "global":
        template = template.replace(GOOGLE_HOST, GOOGLE_GLOBAL)
    elif location in ("us", "eu"):
        template = template.replace(GOOGLE_HOST, GOOGLE_JURISDICTION)
    return _PLACEHOLDER.sub(lambda found: given[found[1]], template)

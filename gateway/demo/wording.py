"""What the demo upstream says: deterministic text, token counts and JSON that fits a schema."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import orjson

from gateway.demo.scenario import Scenario

_SENTENCE = (
    "a gateway stands between those who ask and those who answer it keeps the keys counts the cost and passes every "
    "word on as it was said when one road is closed it takes another and nobody waits longer than they must"
)
_VOCABULARY = _SENTENCE.split()

MAX_DEPTH = 16
"""Schemas may refer to themselves; deeper levels become null."""


def tokens(text: str) -> int:
    """A token count that is stable and plausible: one for every four bytes, at least one."""
    return max(1, (len(text.encode()) + 3) // 4)


def identifier(prefix: str, seed: bytes) -> str:
    """A vendor-like id (``chatcmpl-...``) that is equal for equal seeds."""
    return prefix + hashlib.blake2b(seed, digest_size=12).hexdigest()


def plain_text(content: object) -> str:
    """The text of a message's ``content``: a string, or a list of parts of which those with text count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") or part.get("input_text") or "" for part in content if isinstance(part, dict))
    return " ".join(part for part in parts if isinstance(part, str) and part)


def last_text(messages: Sequence[object], role: str = "user") -> str:
    """The text of the last message of a role; empty when there is none."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == role:
            return plain_text(message.get("content"))
    return ""


def answer_to(prompt: str, scenario: Scenario) -> str:
    """The demo's words for a prompt: itself for ``echo``, else a few that depend on nothing but the prompt."""
    if scenario.echo and not scenario.words:
        return prompt
    seed = hashlib.blake2b(prompt.encode(), digest_size=8).digest()
    count = scenario.words or 12 + seed[0] % 12
    start = int.from_bytes(seed, "little") % len(_VOCABULARY)
    words = [_VOCABULARY[(start + i) % len(_VOCABULARY)] for i in range(count)]
    return (" ".join(words)).capitalize() + "."


def pieces(text: str) -> list[str]:
    """The text cut where a stream cuts it: after every blank. Joined again they are the text."""
    cut = [word + " " for word in text.split(" ")]
    cut[-1] = cut[-1][:-1]
    return [piece for piece in cut if piece] or [""]


def shorten(text: str, most: object) -> tuple[str, bool]:
    """The text cut to ``most`` tokens, and whether it was cut; anything but a positive integer leaves it whole."""
    if not isinstance(most, int) or most <= 0 or tokens(text) <= most:
        return text, False
    return text.encode()[: most * 4].decode(errors="ignore"), True


def fitting(schema: object, root: Mapping[str, object] | None = None, depth: int = 0) -> object:
    """A small value that fits a JSON schema, the same every time (``$ref`` into ``$defs`` followed)."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    root = schema if root is None else root
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target: object = root
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step) if isinstance(target, dict) else None
        return fitting(target, root, depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(union), list) and schema[union]:
            return fitting(schema[union][0], root, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        members = properties.items() if isinstance(properties, dict) else ()
        return {name: fitting(member, root, depth + 1) for name, member in members}
    if kind == "array":
        return [fitting(schema.get("items"), root, depth + 1)] if schema.get("minItems", 1) else []
    low = schema.get("minimum", 1)
    plain: dict[str, object] = {"string": "demo", "integer": low, "number": low, "boolean": True}
    return plain.get(str(kind))


def json_answer(response_format: object, prompt: str) -> str | None:
    """JSON text for a ``response_format`` that asks for it, else None."""
    if not isinstance(response_format, dict):
        return None
    kind = response_format.get("type")
    if kind == "json_object":
        return orjson.dumps({"answer": prompt}).decode()
    if kind == "json_schema":
        wrapped = response_format.get("json_schema")
        schema = wrapped.get("schema") if isinstance(wrapped, dict) else response_format.get("schema")
        return orjson.dumps(fitting(schema)).decode()
    return None

"""Bodies of requests: members that are LiteLLM's own are taken out, and done where there is such a thing here."""

from __future__ import annotations

from json import JSONDecodeError, JSONDecoder
from typing import Any

from _speedups._head import HeadScan
from gateway.compat.tables import MEMBERS, OF_CHATS, seconds, session
from gateway.exchange import Exchange
from gateway.phases.parse import parse
from gateway.routing.named import span_of
from gateway.routing.options import take_options
from gateway.server.routes import JSON
from providers.operations import Dialect

OPENAI = frozenset({int(Dialect.OPENAI_CHAT), int(Dialect.OPENAI_COMPLETIONS), int(Dialect.OPENAI_RESPONSES)})
CHATS = frozenset({int(Dialect.OPENAI_CHAT), int(Dialect.OPENAI_COMPLETIONS)})
_HEAD = b"POST / HTTP/1.1\r\nhost: compat\r\n%b\r\n\r\n"
_SPACE = " \t\r\n"
_DECODER = JSONDecoder(parse_float=lambda text: 0.0, parse_int=lambda text: int(text[:18]))
"""Values of numbers that nobody looks at are not worth their digits."""


def take_extras(x: Exchange) -> None:
    """Take them out of ``x.body``, every other byte as it was, and have it parsed again."""
    entry = x.route
    if entry is None or entry.body != JSON or x.dialect not in OPENAI or not x.body:
        return
    wanted = MEMBERS | OF_CHATS if x.dialect in CHATS else MEMBERS
    if not any(f'"{name}"'.encode() in x.body for name in wanted):
        return
    found = members(x.body, wanted)
    if not found:
        return
    extras: dict[str, Any] = {}
    body = x.body
    for name, value, start, end in reversed(found):
        extras[name] = value
        before, after = span_of(body, start, end)
        body = body[:before] + body[after:]
    x.body = body
    parse(x)
    said = options(extras)
    if said:
        scan = HeadScan()
        if scan.request(_HEAD % b"\r\n".join(said)):
            take_options(x, scan)


def members(body: bytes, wanted: frozenset[str]) -> list[tuple[str, Any, int, int]]:
    """(name, value, where the value begins and ends) of the members of a document that are ``wanted``. Bytes are read
    as Latin-1: every offset is one of bytes, and nothing that JSON is made of is touched by it."""
    text = body.decode("latin-1")
    found: list[tuple[str, Any, int, int]] = []
    at = _after(text, 0)
    if text[at : at + 1] != "{":
        return []
    at = _after(text, at + 1)
    try:
        while text[at : at + 1] == '"':
            name, at = _DECODER.raw_decode(text, at)
            at = _after(text, at)
            start = _after(text, at + 1)
            value, at = _DECODER.raw_decode(text, start)
            if name in wanted:
                found.append((name, value, start, at))
            at = _after(text, at)
            if text[at : at + 1] != ",":
                break
            at = _after(text, at + 1)
    except (JSONDecodeError, RecursionError, ValueError):
        return []
    return found


def _after(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def options(extras: dict[str, Any]) -> list[bytes]:
    """Our header fields that say the same as these members."""
    fields: list[bytes] = []
    limit = seconds(str(extras.get("timeout", "")).encode("ascii", "replace"))
    if limit is not None:
        fields.append(b"x-microgate-timeout: " + limit)
    metadata = extras.get("metadata")
    named = extras.get("litellm_session_id") or (metadata.get("session_id") if isinstance(metadata, dict) else None)
    if isinstance(named, str) and named.isascii() and named.isprintable() and (said := session(named.encode())):
        fields.append(b"x-microgate-session: " + said)
    if extras.get("no-log") is True:
        fields.append(b"x-microgate-log: metadata")
    cache = extras.get("cache")
    if isinstance(cache, dict):
        fields += of_cache(cache)
    return fields


def of_cache(cache: dict[str, Any]) -> list[bytes]:
    """``{"no-cache": true}`` asks afresh, ``{"no-store": true}`` keeps nothing; ``ttl`` and ``s-maxage``: seconds."""
    no_cache, no_store = cache.get("no-cache") is True, cache.get("no-store") is True
    fields = []
    if no_cache or no_store:
        fields.append(b"x-microgate-cache: " + (b"off" if no_cache and no_store else b"write" if no_cache else b"read"))
    for name in ("ttl", "s-maxage"):
        age = cache.get(name)
        if isinstance(age, int) and not isinstance(age, bool) and 0 < age < 10**9:
            fields.append(b"x-microgate-cache-ttl: %d" % age)
            break
    namespace = cache.get("namespace")
    if isinstance(namespace, str) and namespace.isascii() and namespace.isprintable() and 0 < len(namespace) <= 128:
        fields.append(b"x-microgate-cache-scope: " + namespace.encode())
    return fields

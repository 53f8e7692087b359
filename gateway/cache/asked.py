"""What of a request its answer depends on: which operations have answers worth keeping, what of a body does not matter
to them, and what forbids to keep them.

An answer is kept when asking again would have no other effect than to get it. What the provider stores, runs or looks
up for a request is an effect: whoever asked second would miss it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from _speedups._canonical import Canonical
from providers.operations import Dialect, Operation

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.server.routes import RouteEntry

Reasons = dict[str, str]
"""Name of a top-level member -> why it is listed."""

MODEL: Reasons = {"model": "what the name leads to for this caller is digested in its place"}
END_USER: Reasons = {
    "user": "an id of who asks the caller; OpenAI replaces it by the two that follow (API reference, chat)",
    "safety_identifier": "an id of who asks the caller, for the detection of abuse (API reference)",
}
PROMPT_CACHE: Reasons = {
    "prompt_cache_key": "says which requests share a prefix; changes price and delay (guide to prompt caching)",
    "prompt_cache_retention": "how long the provider keeps the prefix (guide to prompt caching)",
    "prompt_cache_options": "the same of GPT-5.6 and later",
}
LABELS: Reasons = {"metadata": "labels of a stored object (API reference); nothing is stored of what is kept here"}
STORE: Reasons = {"store": "only false or absent: what the provider is to store is never kept here"}
ANTHROPIC: Reasons = {
    "metadata": "holds the end user's id, for the detection of abuse (API reference, messages)",
    "cache_control": "marks the end of the prompt for the prompt cache; changes price and delay",
}
BILLS: Reasons = {"labels": "labels for bills (Vertex AI reference, generateContent)"}
BEDROCK: Reasons = {"requestMetadata": "labels for the log of invocations (API reference, Converse)"}
COHERE: Reasons = {"priority": "place in the provider's queue (API reference, v2)"}

SEARCH: Reasons = {
    "web_search_options": "the provider searches the web: the answer is of today (OpenAI, Perplexity)",
    "search_parameters": "the provider searches the web (xAI)",
    "plugins": "the provider searches the web or reads files (OpenRouter)",
}
KEPT: Reasons = {"store": "the provider is to keep the answer as an object that can be asked for"}
CONVERSATION: Reasons = {
    "background": "answered with an object that is to be polled",
    "previous_response_id": "goes on from an object at the provider",
    "conversation": "goes on from, and adds to, an object at the provider",
    "prompt": "a template that is kept, and changed, at the provider",
}
SERVERS: Reasons = {
    "mcp_servers": "the provider calls tools of other servers",
    "container": "the provider runs code in a container that keeps its state",
}
CONTENT: Reasons = {
    "cachedContent": "an object at the provider, which ends",
    "cached_content": "the same, as protocol buffers spell it",
}
CONNECTORS: Reasons = {"connectors": "the provider searches the web or the caller's systems"}


class Rule(NamedTuple):
    """Of one operation in one dialect."""

    drop: Reasons
    """Members that do not change the answer. ``service_tier`` is not among them: the answer names the tier."""
    bar: Reasons
    """Members that forbid to keep it, where they say something. Tools that the provider runs do so as well."""
    stored: bool = False
    """The provider stores answers unless ``store`` is false."""


RULES: dict[tuple[int, int], Rule] = {
    (Dialect.OPENAI_CHAT, Operation.CHAT): Rule(
        MODEL | END_USER | PROMPT_CACHE | LABELS | STORE, SEARCH | KEPT | SERVERS
    ),
    (Dialect.OPENAI_COMPLETIONS, Operation.COMPLETIONS): Rule(MODEL | END_USER | LABELS, KEPT | SEARCH),
    (Dialect.OPENAI_RESPONSES, Operation.RESPONSES): Rule(
        MODEL | END_USER | PROMPT_CACHE | LABELS | STORE, CONVERSATION | SERVERS | SEARCH, stored=True
    ),
    (Dialect.ANTHROPIC, Operation.CHAT): Rule(MODEL | ANTHROPIC, SERVERS),
    (Dialect.GEMINI, Operation.CHAT): Rule(MODEL | BILLS, CONTENT),
    (Dialect.BEDROCK, Operation.CHAT): Rule(MODEL | BEDROCK, {}),
    (Dialect.COHERE, Operation.CHAT): Rule(MODEL | COHERE, CONNECTORS),
    (Dialect.OPENAI_CHAT, Operation.EMBEDDINGS): Rule(MODEL | END_USER, {}),
    (Dialect.GEMINI, Operation.EMBEDDINGS): Rule(MODEL, {}),
    (Dialect.COHERE, Operation.EMBEDDINGS): Rule(MODEL | COHERE, {}),
    (Dialect.OPENAI_CHAT, Operation.RERANK): Rule(MODEL | END_USER, {}),
    (Dialect.COHERE, Operation.RERANK): Rule(MODEL | COHERE, {}),
    (Dialect.OPENAI_CHAT, Operation.MODERATIONS): Rule(MODEL, {}),
}
"""Whatever is not listed is never kept: pictures, sound and films are large and wanted anew each time, counts of tokens
cost nothing, and the rest makes objects."""

DETERMINED = frozenset((Operation.EMBEDDINGS, Operation.RERANK, Operation.MODERATIONS))
"""Operations whose answers follow from the request; of the others only those with temperature 0 nearly do."""

HEADERS: dict[int, tuple[bytes, ...]] = {
    Dialect.ANTHROPIC: (b"anthropic-beta", b"anthropic-version"),
    Dialect.BEDROCK: (b"x-amzn-bedrock-trace",),
}
"""Request fields that pass to the provider and change what it answers, in small letters (``providers/headers.py`` has
all that pass)."""

GEMINI = int(Dialect.GEMINI)


class Kind:
    """What is known of requests to a path before one comes."""

    def __init__(self, entry: RouteEntry) -> None:
        rule = RULES.get((entry.dialect, entry.operation))
        if entry.below:
            rule = None  # it is no answer that is asked for there
        self.canonical = canonical_for(entry.dialect, entry.operation) if rule is not None else None
        """The worker's scratch object; None: answers are not kept."""
        self.stored = rule is not None and rule.stored
        self.headers = HEADERS.get(entry.dialect, ())
        method = entry.original.partition("*")[2].encode()
        self.about = delimited(b"%d %d %s" % (entry.dialect, entry.operation, method))
        """Dialect, operation, and the method that the path names behind the model."""


_scratch: dict[tuple[int, int], Canonical] = {}
_kinds: dict[str, Kind] = {}
"""By the path as it is declared."""


def canonical_for(dialect: int, operation: int) -> Canonical | None:
    """The worker's scratch object for requests of this kind; None: their answers are not kept."""
    found = _scratch.get((dialect, operation))
    if found is None:
        rule = RULES.get((dialect, operation))
        if rule is None:
            return None
        found = _scratch[dialect, operation] = Canonical(map(str.encode, rule.drop), map(str.encode, rule.bar))
    return found


def delimited(text: bytes) -> bytes:
    """``text`` behind its length, so that it does not run into what follows."""
    return len(text).to_bytes(4, "little") + text


def asked(x: Exchange, leads_to: bytes) -> bytes | None:
    """SHA-256 of what ``x`` asks, ``leads_to`` being what its model name leads to for this caller; None: the answer is
    not one to keep. ``canonical_for`` tells more of the request until the next is read, its temperature for one."""
    return asked_with(x, x.body, leads_to)


def asked_with(x: Exchange, body: bytes, leads_to: bytes) -> bytes | None:
    """The same had ``x`` this body."""
    entry = x.route
    if entry is None or x.stateful or x.multipart or x.uploading:
        return None
    kind = _kinds.get(entry.original)
    if kind is None:
        kind = _kinds[entry.original] = Kind(entry)
    canonical = kind.canonical
    if canonical is None:
        return None
    prefix = kind.about
    if kind.headers:
        prefix += delimited(said(x.head, kind.headers))
    if entry.dialect == GEMINI:
        # Its streams are one JSON array for callers who do not ask for events.
        prefix += b"\x01" if b"alt=sse" in x.query else b"\x00"
    digest = canonical.digest(prefix + leads_to, body)
    if canonical.barred or canonical.provider_tools or (kind.stored and canonical.store != 0):
        return None
    return digest


def said(head: bytes, names: tuple[bytes, ...]) -> bytes:
    """The lines of a request head that have one of these names, as they came but for case."""
    small = head.lower()
    lines = b""
    for name in names:
        at = small.find(b"\r\n" + name + b":")
        while at >= 0:
            end = small.find(b"\r\n", at + 2)
            lines += small[at:end] if end >= 0 else small[at:]
            at = small.find(b"\r\n" + name + b":", at + 2)
    return lines

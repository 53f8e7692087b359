"""From the bytes of a request and its answer to what the log keeps of them: redacted text, and the words in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from gateway.control.redaction import Redactor, without_end
from gateway.snapshot.content import Content
from gateway.stores.contents import StoredContent

MOST_WORDS = 128 << 10
"""Characters of each side that a search looks at."""

LONG_DATA = 2048
"""Characters of a text without a space from which on it is taken for data (an image, say), and left out."""

_PARTS = frozenset(
    ("content", "text", "delta", "arguments", "partial_json", "thinking", "reasoning_content", "reasoning", "refusal",
     "transcript", "name", "message")
)  # fmt: skip
"""Members of events whose texts are what a stream says."""
_UNSAID = frozenset(("type", "role", "model", "id", "object", "finish_reason", "stop_reason", "system_fingerprint"))
"""Members whose texts are no words of anybody's."""
_DATA = re.compile(rf"[A-Za-z0-9+/=_:;,.-]{{{LONG_DATA},}}")


def stored(content: Content, redactor: Redactor) -> StoredContent:
    """What is kept of ``content``. Nothing that was blotted out is in it."""
    before = redactor.found
    request, request_words = _document(content.request, content.request_truncated, redactor)
    if content.media_type.lower().startswith("text/event-stream"):
        response, response_words = _events(content.response, content.response_truncated, redactor)
    else:
        response, response_words = _document(content.response, content.response_truncated, redactor)
    return StoredContent(
        request_id=content.request_id,
        started_us=content.started_us,
        request=_storable(request),
        response=_storable(response),
        media_type=redactor.text(content.media_type[:128]),
        request_truncated=content.request_truncated,
        response_truncated=content.response_truncated,
        redacted=redactor.found > before,
        request_words=_storable(request_words[:MOST_WORDS]),
        response_words=_storable(response_words[:MOST_WORDS]),
    )


def _storable(text: str) -> str:
    """JSON may name halves of characters, which no database takes as text; two that belong together become one."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _document(body: bytes, truncated: bool, redactor: Redactor) -> tuple[str, str]:
    """Text and words of a body; of JSON the words are those of its texts."""
    text = body.decode("utf-8", "replace")
    if truncated:
        text = redactor.cut_text(_DATA.sub(_size, text))
        return text, text
    try:
        values = [redactor.value(_without_data(value)) for value in _values(text)]
        shown = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
        return "\n".join(shown), "\n".join(_texts(values))
    except (ValueError, RecursionError):
        pass
    redacted = redactor.unread if text.lstrip().startswith(("{", "[")) else redactor.text
    text = redacted(_DATA.sub(_size, text))
    return text, text


def _values(text: str) -> list[Any]:
    """Of a JSON document, or of one in each line. Raises ValueError, RecursionError."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def _without_data(value: Any) -> Any:
    match value:
        case str() if len(value) >= LONG_DATA:
            return _DATA.sub(_size, value)
        case dict():
            return {name: _without_data(member) for name, member in value.items()}
        case list():
            return [_without_data(each) for each in value]
    return value


def _size(match: re.Match[str]) -> str:
    return f"[{len(match[0])} characters of data]"


def _texts(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case str() if name not in _UNSAID:
            yield value
        case dict():
            for member, inner in value.items():
                yield from _texts(inner, member)
        case list():
            for inner in value:
                yield from _texts(inner, name)


def _events(body: bytes, truncated: bool, redactor: Redactor) -> tuple[str, str]:
    """What the events of a stream say, put together: a word, or a secret, may be spread over several of them."""
    said: dict[tuple[object, ...], list[str]] = {}
    for line in body.splitlines():  # of bytes: a text has further characters that end a line, and JSON may contain them
        if not line.startswith(b"data:"):
            continue
        try:
            event = json.loads(line[5:].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        kind = event.get("type") if isinstance(event, dict) else None
        if isinstance(kind, str) and kind.startswith("response.") and not kind.endswith(".delta"):
            continue  # OpenAI's Responses say all of it again at their end
        for place, text in _said(event, ()):
            said.setdefault(place, []).append(text)
    parts = [_whole("".join(texts), truncated, redactor) for texts in said.values()]
    text = "\n".join(part for part in parts if part)
    return text, text


def _said(value: Any, place: tuple[object, ...], name: str = "") -> Iterator[tuple[tuple[object, ...], str]]:
    match value:
        case str() if name in _PARTS:
            yield place, value
        case dict():
            here = (*place, *(value[each] for each in ("index", "output_index", "content_index") if each in value))
            for member, inner in value.items():
                yield from _said(inner, (*here, member), member)
        case list():
            for inner in value:
                yield from _said(inner, place, name)


def _whole(text: str, truncated: bool, redactor: Redactor) -> str:
    """Arguments of a tool are a JSON document."""
    if text.startswith("{"):
        try:
            return json.dumps(redactor.value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return redactor.cut_text(text)
    return redactor.text(_DATA.sub(_size, without_end(text) if truncated else text))

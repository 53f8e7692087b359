"""An answer that was kept in one form, told in another: in the caller's dialect, whole or as a stream.

Only with ``cache.cross_dialect``: elsewhere what is kept is given byte for byte to who asks the same in the same form.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from gateway.translation import NAMES, events_of, object_of
from providers.dialects import load
from providers.framing import JsonArray
from providers.neutral import Answer, Collector, Malformed, Request
from providers.operations import Dialect


class Form(NamedTuple):
    """How an answer is told."""

    dialect: int
    stream: bool
    usage: bool = True
    """A stream of OpenAI's chat ends with its usage: ``stream_options.include_usage``."""
    array: bool = False
    """A stream of Google's is one JSON array: without ``alt=sse``."""


class Retold(NamedTuple):
    body: bytes
    content_type: str


def retold(kept: bytes, form: Form, wanted: Form, request: Request) -> Retold:
    """``kept``, an answer in ``form``, for a caller who sent ``request`` and wants it as ``wanted``. The request was
    decoded from the caller's dialect (``neutral.request_of``).

    Raises Malformed for what is no complete answer in that form, or one that says a fault.
    """
    answer = answer_of(kept, form)
    dialect = load(NAMES[wanted.dialect])
    if not wanted.stream:
        return Retold(orjson.dumps(dialect.encode_answer(answer, request)), "application/json")
    encoder = dialect.stream_encoder(request)
    body = b"".join(map(encoder.encode, events_of(answer)))
    if wanted.array:
        array = JsonArray()
        return Retold(array.feed(body) + array.end(), "application/json; charset=UTF-8")
    return Retold(body, dialect.stream_type)


def answer_of(kept: bytes, form: Form) -> Answer:
    """The answer that was kept. Raises Malformed."""
    answer = _read(kept, form)
    if any(choice.finish in ("", "error") for choice in answer.choices) or not answer.choices:
        raise Malformed("The answer that was kept is not complete.")
    return answer


def _read(kept: bytes, form: Form) -> Answer:
    dialect = load(NAMES[form.dialect])
    if not form.stream:
        return dialect.decode_answer(object_of(kept))
    decoder = dialect.stream_decoder()
    collected = Collector(dialect.name)
    for event in [*decoder.feed(events(kept) if form.array else kept), *decoder.end()]:
        collected.add(event)
    if collected.fault is not None:
        raise Malformed(f"The stream that was kept says: {collected.fault.message}")
    if not collected.done:
        raise Malformed("The stream that was kept has no end.")
    return collected.answer


def events(array: bytes) -> bytes:
    """The items of a JSON array as the events of a stream. Raises Malformed."""
    try:
        items = orjson.loads(array)
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list):
        raise Malformed("The stream that was kept is no array.")
    return b"".join(b"data: " + orjson.dumps(item) + b"\n\n" for item in items)


def same(form: Form, wanted: Form) -> bool:
    """Whether what was kept can be given as it is."""
    if form.dialect != wanted.dialect or form.stream != wanted.stream:
        return False
    if not form.stream:
        return True
    if form.dialect == Dialect.GEMINI:
        return form.array == wanted.array
    return form.usage == wanted.usage or form.dialect not in (Dialect.OPENAI_CHAT, Dialect.OPENAI_COMPLETIONS)

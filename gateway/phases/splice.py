"""The request's bytes with what differs for a target put in: the model, at most one further member, nothing else.

Key order and unknown members stay as the caller wrote them: providers' prompt caches depend on it.
"""

from __future__ import annotations

import orjson

from gateway.exchange import Exchange
from gateway.records import Flags
from gateway.serving import Plan, Target
from providers.operations import Operation

ASKS_USAGE = frozenset((int(Operation.CHAT), int(Operation.COMPLETIONS)))
"""Operations whose streams report usage when ``stream_options`` asks for it."""
RELAYED = frozenset(
    int(o)
    for o in (Operation.PASSTHROUGH, Operation.FILES, Operation.BATCHES, Operation.RESPONSE_OBJECT, Operation.ADMIN)
)
"""Operations whose path, method and body go through as they came."""
STREAM_OPTIONS_ADDED = int(Flags.STREAM_OPTIONS_ADDED)


def splice(x: Exchange, target: Target, plan: Plan | None) -> list[bytes] | None:
    """The body in pieces with what differs for this target put in; None: the body as it stands."""
    if plan is None or x.operation in RELAYED:
        return None
    body = x.body
    start = x.model_start
    if x.multipart:
        if start < 0 or x.model == target.model:
            return None
        return [body[:start], target.model_bytes, body[x.model_end :]]
    tail = b""
    options = b""
    if x.stream and target.upstream.ask_usage and x.include_usage != 1 and x.operation in ASKS_USAGE and x.close >= 0:
        x.hide_usage = True
        x.flags |= STREAM_OPTIONS_ADDED
        if x.options_start < 0:
            tail = b'"stream_options":{"include_usage":true}'
        else:
            options = with_usage(body[x.options_start : x.options_end])
    if start < 0 and x.close >= 0 and "{model}" not in plan.path and target.model:
        # The model stood in the path (Azure's form) and this target reads it from the body.
        tail = b'"model":' + target.model_json + (b"," + tail if tail else b"")
    same = start < 0 or body[start : x.model_end] == target.model_json
    if same and not tail and not options:
        return None
    parts = []
    at = 0
    if not same and options and x.options_start < start:
        parts += [body[: x.options_start], options]
        at = x.options_end
        options = b""
    if not same:
        parts += [body[at:start], target.model_json]
        at = x.model_end
    if options:
        parts += [body[at : x.options_start], options]
        at = x.options_end
    if tail:
        parts += [body[at : x.close], tail if x.empty else b"," + tail]
        at = x.close
    parts.append(body[at:])
    return parts


def with_usage(options: bytes) -> bytes:
    """``stream_options`` of the caller with ``include_usage`` set."""
    value = orjson.loads(options)
    if not isinstance(value, dict):
        value = {}
    value["include_usage"] = True
    return orjson.dumps(value)

"""The request's bytes with what differs for a target put in: the model, at most one further member, nothing else.

Key order and unknown members stay as the caller wrote them: providers' prompt caches depend on it.
"""

from __future__ import annotations

import orjson

from _speedups._bytes import equals, part
from gateway.exchange import Exchange
from gateway.records import Flags
from gateway.serving import Plan, Target

STREAM_OPTIONS_ADDED = int(Flags.STREAM_OPTIONS_ADDED)


def splice(x: Exchange, target: Target, plan: Plan | None) -> list[bytes] | None:
    """The body in pieces with what differs for this target put in; None: the body as it stands."""
    if plan is None or x.relayed:
        return None
    body = x.body
    start = x.model_start
    end = x.model_end
    entry = x.route
    if x.multipart:
        if start < 0 or x.model == target.model:
            return None
        return [body[:start], target.model_bytes, body[end:]]
    tail = b""
    options = b""
    asks = x.stream and target.upstream.ask_usage and x.include_usage != 1 and x.close >= 0
    if asks and entry is not None and entry.asks_usage:
        x.hide_usage = True
        x.flags |= STREAM_OPTIONS_ADDED
        if x.options_start < 0:
            tail = b'"stream_options":{"include_usage":true}'
        else:
            options = with_usage(body[x.options_start : x.options_end])
    if start < 0 and x.close >= 0 and plan.model_in_body and target.model:
        # The model stood in the path (Azure's form) and this target reads it from the body.
        tail = b'"model":' + target.model_json + (b"," + tail if tail else b"")
    same = start < 0 or equals(body, start, end, target.model_json)
    if not tail and not options:
        # The common way: at most the model differs.
        return None if same else [part(body, 0, start), target.model_json, part(body, end, len(body))]
    parts = []
    at = 0
    if not same and options and x.options_start < start:
        parts += [body[: x.options_start], options]
        at = x.options_end
        options = b""
    if not same:
        parts += [body[at:start], target.model_json]
        at = end
    if options:
        parts += [body[at : x.options_start], options]
        at = x.options_end
    if tail:
        parts += [body[at : x.close], tail if x.empty else b"," + tail]
        at = x.close
    parts.append(body[at:])
    return parts


def without_model(x: Exchange, members: tuple[tuple[str, str], ...]) -> bytes:
    """The body with ``members`` in place of the model, which stands in the path; every other byte as it was."""
    body = x.body
    said = orjson.dumps(dict(members))[1:-1]
    before = body[: max(x.model_start, 0)].rstrip()
    name = before[:-1].rstrip()
    if before.endswith(b":") and name.endswith(b'"model"') and not any(f'"{m}"'.encode() in body for m, _ in members):
        return name[: -len(b'"model"')] + said + body[x.model_end :]
    value = orjson.loads(body)
    return orjson.dumps({**dict(members), **{name: member for name, member in value.items() if name != "model"}})


def with_usage(options: bytes) -> bytes:
    """``stream_options`` of the caller with ``include_usage`` set."""
    value = orjson.loads(options)
    if not isinstance(value, dict):
        value = {}
    value["include_usage"] = True
    return orjson.dumps(value)

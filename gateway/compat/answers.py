"""Answers as LiteLLM's callers know them: header fields, and the code of an error as text."""

from __future__ import annotations

import orjson

from gateway.errors import GatewayError, Response
from gateway.exchange import Exchange
from gateway.model_names import header_safe
from gateway.records import Flags, UsageSource

NANO = 1_000_000_000


def fields(x: Exchange) -> bytes:
    """Header lines: what is known of a request when its answer begins."""
    lines = [b"x-litellm-call-id: " + x.request_id, b"x-litellm-version: microgate"]
    if x.model:
        lines.append(b"x-litellm-model-group: " + header_safe(x.model))
    target = x.target
    if target is not None:
        lines.append(b"x-litellm-model-id: " + header_safe(f"{target.upstream.name}/{target.model}"))
        lines.append(b"x-litellm-attempted-retries: %d" % max(0, x.attempt - 1))
    # Like x-microgate-cost: only what the provider reported, at a known price.
    if x.reckoned and x.usage_source == int(UsageSource.PROVIDER) and not x.flags & Flags.UNPRICED:
        whole, part = divmod(x.cost, NANO)
        lines.append(b"x-litellm-response-cost: %d.%09d" % (whole, part))
    return b"\r\n".join(lines) + b"\r\n"


def code_as_text(_x: Exchange, response: Response, error: GatewayError) -> None:
    """``error.code`` is the status, as text."""
    if response.spoken:
        return
    try:
        body = orjson.loads(response.body)
        body["error"]["code"] = str(error.status)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return
    response.body = orjson.dumps(body)

"""Events of the gateway's own inside a stream."""

from __future__ import annotations

import orjson

from providers.operations import Dialect


def error_event(dialect: int, message: str, request_id: str) -> bytes:
    """The event that tells a caller that its stream was cut, as its SDK understands it.

    Begins with an empty line, which ends an event that was cut in the middle. openai-python and the npm package raise
    on a ``data`` with a top-level ``error``; Responses streams know ``event: error``.
    """
    if dialect == Dialect.OPENAI_RESPONSES:
        body = {"type": "error", "code": "stream_cut", "message": message, "param": None, "sequence_number": 0}
        return b"\n\nevent: error\ndata: " + orjson.dumps(body) + b"\n\n"
    error = {
        "message": message,
        "type": "upstream_error",
        "param": None,
        "code": "stream_cut",
        "request_id": request_id,
    }
    return b"\n\ndata: " + orjson.dumps({"error": error}) + b"\n\n"

"""What is asked: one scan of the body finds the model, whether to stream, and where members can be spliced."""

from __future__ import annotations

import re
from urllib.parse import unquote

from _speedups._scan import boundary_of, scan_multipart
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.server.routes import ANY_BODY, JSON, MULTIPART, RouteEntry

MODEL_BYTES = 512
"""Longest model name taken; the longest in use (Bedrock ARNs) stay under 300."""
TAKES_JSON = JSON
TAKES_MULTIPART = MULTIPART
TAKES_ANY = ANY_BODY


def parse(x: Exchange) -> Response | None:
    """Fill model, stream, sizes and offsets; a ``Response`` when the body is not what its route takes."""
    entry = x.route
    if entry is None:
        return None
    kind = entry.body
    if kind == TAKES_JSON or (kind == TAKES_MULTIPART and x.json_declared):
        refusal = parse_json(x)
    elif kind == TAKES_MULTIPART:
        refusal = parse_multipart(x)
    elif kind == TAKES_ANY:
        return parse_any(x)
    else:
        return None
    if refusal is not None:
        return refusal
    if entry.rest:
        return name_in_path(x, entry) if entry.names_model else name_deployment(x, entry)
    if not x.model:
        named = model_header(x)
        if named:
            x.model = named
        elif x.uploading:
            return bad(x, "In an upload of this size the field 'model' must come before the file.", "model")
        else:
            return bad(x, "The member 'model' is missing.", "model")
    if len(x.model) > MODEL_BYTES:
        return bad(x, "The model's name is too long.", "model")
    return None


def parse_json(x: Exchange) -> Response | None:
    scan = x.core.json
    if not scan.scan(x.body):
        code = "invalid_json"
        message = (
            f"The body is not acceptable JSON: {scan.error} (byte {scan.error_offset})."
            if x.body
            else "The body is empty."
        )
        return refuse(GatewayError(code, message), x.request_id.decode())
    model = scan.model
    if model is not None:
        x.model = model
        x.model_start = scan.model_start
        x.model_end = scan.model_end
    x.stream = scan.stream == 1
    x.include_usage = scan.include_usage
    x.options_start = scan.stream_options_start
    x.options_end = scan.stream_options_end
    x.max_tokens = scan.max_tokens
    x.stateful = scan.stateful
    x.fallbacks_start = scan.fallbacks_start
    x.fallbacks_end = scan.fallbacks_end
    x.close = scan.close
    x.empty = scan.empty
    return None


def parse_multipart(x: Exchange) -> Response | None:
    boundary = boundary_of(x.content_type)
    if boundary is None:
        error = GatewayError("unsupported_media", "This path takes multipart/form-data with a boundary.")
        return refuse(error, x.request_id.decode())
    fields = scan_multipart(x.body, boundary)
    if fields is None:
        return bad(x, "The body is not multipart/form-data with the declared boundary.", None)
    x.multipart = True
    span = fields.get(b"model")
    if span is not None:
        x.model_start, x.model_end = span
        try:
            x.model = x.body[span[0] : span[1]].decode()
        except UnicodeDecodeError:
            return bad(x, "The field 'model' is not UTF-8.", "model")
        if not x.model.isprintable():
            return bad(x, "The field 'model' holds control characters.", "model")
    stream = fields.get(b"stream")
    x.stream = stream is not None and x.body[stream[0] : stream[1]].strip().lower() in (b"true", b"1")
    return None


def parse_any(x: Exchange) -> Response | None:
    """Passed on as it is; only looked at for what the record and the tenant check need."""
    if x.body and not x.uploading and x.json_declared:
        scan = x.core.json
        if scan.scan(x.body):
            x.model = (scan.model or "")[:MODEL_BYTES]
            x.stream = scan.stream == 1
            x.stateful = scan.stateful
            x.max_tokens = scan.max_tokens
    return None


def name_deployment(x: Exchange, entry: RouteEntry) -> Response | None:
    """Azure's form names the deployment in the path: it decides, and a model in the body is made to agree with it."""
    try:
        name = unquote(entry.rest.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable() or len(name) > MODEL_BYTES or ("/" in name and name.startswith("/")):
        return bad(x, "The deployment's name in the path is not usable.", "model")
    x.model = name
    return None


def name_in_path(x: Exchange, entry: RouteEntry) -> Response | None:
    """Gemini's and Bedrock's form: model and method stand in the path, whatever the body says."""
    try:
        name = unquote(entry.rest.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable() or name.startswith("/"):
        return bad(x, "The model's name in the path is not usable.", "model")
    if len(name) > MODEL_BYTES:
        return bad(x, "The model's name is too long.", "model")
    x.model = name
    x.model_start = x.model_end = -1
    x.stream = bool(entry.streams)
    return None


def model_header(x: Exchange) -> str:
    """``x-microgate-model``: for uploads whose model field comes after the file."""
    match = re.search(rb"\r\nx-microgate-model:[ \t]*([!-~]+)[ \t]*\r\n", x.head, re.IGNORECASE)
    return match.group(1).decode("ascii") if match else ""


def bad(x: Exchange, message: str, param: str | None) -> Response:
    return refuse(GatewayError("bad_request", message, param=param), x.request_id.decode())

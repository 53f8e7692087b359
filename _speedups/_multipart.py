"""Fields of a multipart/form-data body (RFC 7578), as offsets. One source for both implementations: the searching is
done by ``bytes.find``, so compiling it would gain nothing."""

import re
from typing import Final

_HEADERS_LIMIT: Final = 4_096
"""Most header bytes of one part."""
_PARTS_LIMIT: Final = 1_000

# RFC 2046 section 5.1.1; a boundary may not end with a space.
_is_boundary = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]\Z").match
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = rb"\"((?:[^\"\\\r\n]|\\[^\r\n])*+)\""
_BARE = rb"([!#$%&'*+\-.^_`|~0-9A-Za-z/:?()@,<>\[\]{}=]++)"  # looser than a token: boundaries come unquoted
_match_parameter = re.compile(rb"[ \t]*+;[ \t]*+(" + _TOKEN + rb")=(?:" + _QUOTED + rb"|" + _BARE + rb")").match
_PLAIN_ENCODINGS: Final = (b"7bit", b"8bit", b"binary")


def _parameters(value: bytes, at: int) -> dict[bytes, bytes] | None:
    """The ``; name=value`` list that starts at ``at``, names in lower case; None when malformed or one is repeated."""
    found: dict[bytes, bytes] = {}
    while value[at:].strip(b" \t;"):
        match = _match_parameter(value, at)
        if match is None:
            return None
        name = match[1].lower()
        if name in found:
            return None
        found[name] = match[2] if match[2] is not None else match[3]
        at = match.end()
    return found


def boundary_of(content_type: bytes) -> bytes | None:
    kind, _, _ = content_type.partition(b";")
    if not kind.strip(b" \t").lower().startswith(b"multipart/"):
        return None
    parameters = _parameters(content_type, len(kind))
    boundary = parameters.get(b"boundary") if parameters else None
    return boundary if boundary and _is_boundary(boundary) else None


def _part_name(headers: bytes) -> tuple[bytes, bool] | None:
    """Name of a part and whether it has a file name; None when this cannot be said for certain."""
    name: bytes | None = None
    is_file = False
    for line in headers.split(b"\r\n"):
        field, colon, value = line.partition(b":")
        if not colon or field != field.strip(b" \t"):
            return None
        field = field.lower()
        value = value.strip(b" \t")
        if field == b"content-disposition":
            kind, _, _ = value.partition(b";")
            parameters = _parameters(value, len(kind))
            if name is not None or parameters is None or kind.strip(b" \t").lower() != b"form-data":
                return None
            name = parameters.get(b"name")
            if name is None or b"\\" in name or b"name*" in parameters:
                return None
            is_file = b"filename" in parameters or b"filename*" in parameters
        elif field == b"content-transfer-encoding" and value.lower() not in _PLAIN_ENCODINGS:
            return None
    return None if name is None else (name, is_file)


def scan_multipart(body: bytes, boundary: bytes) -> dict[bytes, tuple[int, int]] | None:
    if not _is_boundary(boundary):
        return None
    delimiter = b"\r\n--" + boundary
    if body.startswith(delimiter[2:]):
        at = len(delimiter) - 2
    else:
        at = body.find(delimiter)
        if at < 0:
            return None
        at += len(delimiter)
    found: dict[bytes, tuple[int, int]] = {}
    models = 0
    for _ in range(_PARTS_LIMIT):
        # Behind a delimiter: "--" ends the body; else white space, CRLF, headers, an empty line, the content.
        if body.startswith(b"--", at):
            return found
        while body[at : at + 1] in (b" ", b"\t"):
            at += 1
        if not body.startswith(b"\r\n", at):
            return found if b"\r\n".startswith(body[at : at + 2]) or body[at:] == b"-" else None
        headers_end = body.find(b"\r\n\r\n", at, at + _HEADERS_LIMIT)
        if headers_end < 0:
            return found if len(body) - at < _HEADERS_LIMIT else None
        part = _part_name(body[at + 2 : headers_end])
        if part is None:
            return None
        name, is_file = part
        start = headers_end + 4
        end = body.find(delimiter, headers_end + 2)
        finished = end >= 0
        if name.lower() == b"model":
            models += 1
            if models > 1 or name != b"model":
                return None
        if is_file or not finished:
            found[b"@" + name] = (start, max(start, end) if finished else len(body))
        else:
            found[name] = (start, max(start, end))
        if not finished:
            return found
        at = end + len(delimiter)
    return None

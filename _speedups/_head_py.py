"""Pure twin of the head part of ``_scan``: the checks an HTTP parser leaves to its user, and header copying."""

import re
from collections.abc import Iterable
from typing import Final, final

HEAD_LIMIT: Final = 32_768
"""Largest request head, in bytes: four times what the largest client sends (Claude Code, beta flags included)."""
RESPONSE_HEAD_LIMIT: Final = 65_536
"""Largest response head, in bytes."""
FIELD_LIMIT: Final = 100
"""Most fields of a request; current clients send 17 to 26."""
RESPONSE_FIELD_LIMIT: Final = 256
TARGET_LIMIT: Final = 8_192
"""Longest request target, in bytes (RFC 9112 section 3 asks for at least 8,000)."""

MEDIA_NONE: Final = 0
MEDIA_OTHER: Final = 1
MEDIA_JSON: Final = 2
MEDIA_EVENTS: Final = 3
MEDIA_HTML: Final = 4

_MEDIA: Final = {
    b"": MEDIA_NONE,
    b"application/json": MEDIA_JSON,
    b"text/event-stream": MEDIA_EVENTS,
    b"text/html": MEDIA_HTML,
}
_LENGTH_DIGITS: Final = 18  # fits 63 bits
_OPTION_PREFIX: Final = b"x-microgate-"

_is_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++\Z").match  # RFC 9110 section 5.6.2
_has_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_is_host = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5}+)?+\Z").match
_is_target = re.compile(rb"(?:/|https?://)[\x21-\x7e\x80-\xff]*+\Z", re.IGNORECASE).match
_is_status_line = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*+)?+\Z").match

_CREDENTIALS: Final = {
    b"authorization": "authorization",
    b"x-api-key": "x_api_key",
    b"api-key": "api_key",
    b"x-goog-api-key": "x_goog_api_key",
    b"x-microgate-key": "x_microgate_key",
}
_FIRST: Final = {b"content-type": "content_type", b"expect": "expect", b"retry-after": "retry_after"}
_JOINED: Final = {b"connection": "connection", b"content-encoding": "content_encoding", b"upgrade": "upgrade"}


@final
class HeadScan:
    """See ``_scan.pyi``."""

    __slots__ = (
        "_first",
        "api_key",
        "authorization",
        "connection",
        "content_encoding",
        "content_length",
        "content_type",
        "error",
        "expect",
        "fields",
        "has_options",
        "head",
        "host",
        "http10",
        "keep_alive",
        "media",
        "method",
        "retry_after",
        "status",
        "target_end",
        "target_start",
        "transfer_encoding",
        "upgrade",
        "why",
        "x_api_key",
        "x_goog_api_key",
        "x_microgate_key",
    )

    def __init__(self) -> None:
        self._clear(b"")

    def _clear(self, head: bytes) -> None:
        self.head = head
        self._first = 0  # offset of the first field; 0: the first line is malformed
        self.method = b""
        self.target_start = self.target_end = 0
        self.status = 0
        self.http10 = False
        self.keep_alive = False
        self.media = MEDIA_NONE
        self.fields = 0
        self.content_length = -1
        self.host: bytes | None = None
        self.content_type: bytes | None = None
        self.content_encoding: bytes | None = None
        self.transfer_encoding: bytes | None = None
        self.connection: bytes | None = None
        self.expect: bytes | None = None
        self.upgrade: bytes | None = None
        self.authorization: bytes | None = None
        self.x_api_key: bytes | None = None
        self.api_key: bytes | None = None
        self.x_goog_api_key: bytes | None = None
        self.x_microgate_key: bytes | None = None
        self.retry_after: bytes | None = None
        self.has_options = False
        self.error = 0
        self.why = ""

    def _refuse(self, status: int, why: str) -> bool:
        self.error = status
        self.why = why
        return False

    def request(self, head: bytes, strict_host: bool = True) -> bool:
        self._clear(head)
        version, at = self._request_line(head)
        if not version or not self._fields(head, at, 400, FIELD_LIMIT):
            return False
        if self.host is None:
            if strict_host and version == b"HTTP/1.1":
                return self._refuse(400, "Host is missing")
        elif strict_host and not _is_host(self.host):
            return self._refuse(400, "Host is invalid")
        if self.transfer_encoding is not None:
            if version == b"HTTP/1.0":
                return self._refuse(400, "Transfer-Encoding under HTTP/1.0")
            if self.content_length >= 0:
                return self._refuse(400, "both Transfer-Encoding and Content-Length")
            if self.transfer_encoding.lower() != b"chunked":
                codings = [coding.strip(b" \t").lower() for coding in self.transfer_encoding.split(b",")]
                other = any(coding not in (b"chunked", b"") for coding in codings)
                return self._refuse(501 if other else 400, "Transfer-Encoding is not one exact chunked")
        self._judge_connection()
        return True

    def _judge_connection(self) -> None:
        """Whether the connection lives on behind this message, and of what form its body says it is."""
        self.keep_alive = not self.http10
        if self.connection is not None:
            tokens = _tokens(self.connection)
            self.keep_alive = b"close" not in tokens and (not self.http10 or b"keep-alive" in tokens)
        if self.content_type is not None:
            essence = self.content_type.partition(b";")[0].strip(b" \t").lower()
            self.media = _MEDIA.get(essence, MEDIA_OTHER)

    def _request_line(self, head: bytes) -> tuple[bytes, int]:
        """Version and offset of the first field; the version is empty when the request is refused."""
        start = 0
        while head.startswith(b"\r\n", start):  # RFC 9112 section 2.2
            start += 2
        end = head.find(b"\n", start)
        parts = head[start : end - 1].split(b" ")
        version = b""
        if end <= start or head[end - 1] != 0x0D or len(parts) != 3:
            self._refuse(400, "malformed request line")
        elif len(parts[1]) > TARGET_LIMIT:
            self._refuse(414, "request target too long")
        elif len(head) > HEAD_LIMIT:
            self._refuse(431, "request head too large")
        elif parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            self._refuse(400, "HTTP version not supported")
        elif not _is_name(parts[0]) or not _is_target(parts[1]):
            self._refuse(400, "malformed request target")
        elif parts[0] == b"TRACE":
            self._refuse(405, "method not allowed")
        else:
            self.method, _, version = parts
            self.target_start = start + len(parts[0]) + 1
            self.target_end = self.target_start + len(parts[1])
            self.http10 = version == b"HTTP/1.0"
        return version, end + 1

    def response(self, head: bytes) -> bool:
        self._clear(head)
        if len(head) > RESPONSE_HEAD_LIMIT:
            return self._refuse(502, "response head too large")
        end = head.find(b"\n")
        if end < 1 or head[end - 1] != 0x0D or not _is_status_line(head[: end - 1]):
            return self._refuse(502, "malformed status line")
        self.status = int(head[9:12])
        self.http10 = head[7] == 0x30
        if not self._fields(head, end + 1, 502, RESPONSE_FIELD_LIMIT):
            return False
        if self.transfer_encoding is not None:
            if self.content_length >= 0:
                return self._refuse(502, "both Transfer-Encoding and Content-Length")
            if self.transfer_encoding.lower() != b"chunked":
                return self._refuse(502, "Transfer-Encoding is not one exact chunked")
        self._judge_connection()
        return True

    def _fields(self, head: bytes, at: int, status: int, limit: int) -> bool:
        """Reads the fields from ``at`` to the empty line that must end the head; errors are ``status``."""
        self._first = at
        while True:
            end = head.find(b"\n", at)
            if end < 0:
                return self._refuse(status, "the head ends too early")
            if end == at or head[end - 1] != 0x0D:
                return self._refuse(status, "a line does not end with CRLF")
            line = head[at : end - 1]
            at = end + 1
            if not line:
                return at == len(head) or self._refuse(status, "bytes behind the head")
            if self.fields >= limit:
                return self._refuse(431 if status == 400 else status, "too many fields")
            self.fields += 1
            name, colon, value = line.partition(b":")
            if not colon or not _is_name(name):
                return self._refuse(status, "malformed field name")
            if _has_control(value):
                return self._refuse(status, "control character in a field value")
            if not self._field(name.lower(), value.strip(b" \t"), status):
                return False

    def _field(self, name: bytes, value: bytes, status: int) -> bool:
        request = status == 400
        if name in _FIRST:
            if getattr(self, _FIRST[name]) is None:
                setattr(self, _FIRST[name], value)
        elif name in _JOINED:
            before = getattr(self, _JOINED[name])
            setattr(self, _JOINED[name], value if before is None else before + b", " + value)
        elif name == b"content-length":
            if not value.isdigit() or len(value) > _LENGTH_DIGITS:
                return self._refuse(status, "malformed Content-Length")
            length = int(value)
            if self.content_length >= 0 and (request or self.content_length != length):
                return self._refuse(status, "repeated Content-Length")
            self.content_length = length
        elif name == b"transfer-encoding":
            if self.transfer_encoding is not None:
                return self._refuse(status, "repeated Transfer-Encoding")
            self.transfer_encoding = value
        elif request:
            if name == b"host":
                if self.host is not None:
                    return self._refuse(400, "repeated Host")
                self.host = value
            elif name in _CREDENTIALS:
                if getattr(self, _CREDENTIALS[name]) is not None:
                    return self._refuse(400, "repeated credential")
                setattr(self, _CREDENTIALS[name], value)
            elif name.startswith(_OPTION_PREFIX):
                self.has_options = True
        return True

    def value_of(self, name: bytes) -> bytes | None:
        head = self.head
        at = self._first
        while at:
            end = head.find(b"\n", at)
            if end < 0:
                return None
            line = head[at:end].removesuffix(b"\r")
            if not line:
                return None
            found, colon, value = line.partition(b":")
            if colon and found.lower() == name:
                return value.strip(b" \t")
            at = end + 1
        return None


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t").lower() for token in value.split(b",")]


@final
class HeaderFilter:
    """See ``_scan.pyi``."""

    __slots__ = ("_keep", "_names", "_prefixes")

    def __init__(self, names: Iterable[bytes], prefixes: Iterable[bytes] = (), *, keep: bool) -> None:
        self._names = frozenset(names)
        self._prefixes = tuple(prefixes)
        self._keep = keep

    def select(self, scan: HeadScan) -> bytes:
        return self.copy(scan.head)

    def copy(self, head: bytes) -> bytes:
        lines: list[tuple[bytes, bytes]] = []
        named: set[bytes] = set()
        at = head.find(b"\n") + 1
        while at:
            end = head.find(b"\n", at)
            if end < 0:
                break
            line = head[at:end]
            at = end + 1
            if line in (b"\r", b""):
                break
            name, colon, value = line[:-1].partition(b":")
            if line[-1] != 0x0D or not colon or not _is_name(name) or _has_control(value):
                continue
            name = name.lower()
            if name == b"connection":
                named.update(_tokens(value))
            if (name in self._names or name.startswith(self._prefixes)) == self._keep:
                lines.append((name, line + b"\n"))
        return b"".join([line for name, line in lines if name not in named])

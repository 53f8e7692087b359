"""Verification of AWS signatures from the bytes that arrived, after the description of Signature Version 4 alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


class BadSignature(Exception):
    pass


class Told(NamedTuple):
    access_key_id: str
    region: str
    service: str
    signed: list[str]


def uri_encode(data: bytes, keep: bytes = b"") -> str:
    return "".join(chr(b) if b in UNRESERVED or b in keep else f"%{b:02X}" for b in data)


def verify(data: bytes, secret: str) -> Told:
    """What the signature of a whole HTTP/1.1 request claims. Raises BadSignature unless ``secret`` made it."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode().split(" ")
    target = re.sub(r"^http://[^/]+", "", target)
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        value = " ".join(value.split())
        fields[name.lower()] = f"{fields[name.lower()]},{value}" if name.lower() in fields else value
    found = AUTHORIZATION.fullmatch(fields.get("authorization", ""))
    if found is None:
        raise BadSignature("no signature")
    access_key_id, day, region, service, names, signature = found.groups()
    signed = names.split(";")
    if not {"host", "x-amz-date"} <= set(signed) or signed != sorted(signed):
        raise BadSignature(f"signed are {signed}")
    if not fields["x-amz-date"].startswith(day):
        raise BadSignature("two dates")
    path, _, query = target.partition("?")
    # Every service but S3 encodes the path that was sent once more, segment by segment.
    canonical_path = uri_encode(path.encode(), b"/")
    canonical_query = "&".join(
        f"{name}={value}" for name, value in sorted(tuple((p + "=").split("=")[:2]) for p in query.split("&") if p)
    )
    canonical = "\n".join(
        [
            method,
            canonical_path,
            canonical_query,
            *(f"{name}:{fields[name]}" for name in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", fields["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if hmac.new(key, text.encode(), "sha256").hexdigest() != signature:
        raise BadSignature("another signature")
    return Told(access_key_id, region, service, signed)

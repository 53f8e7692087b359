"""What is known of a request when its way is chosen."""

from __future__ import annotations

from gateway.exchange import Exchange


def header_of(x: Exchange, name: bytes) -> bytes:
    """Value of the request's first header field called ``name`` (small letters); empty when there is none."""
    lowered = x.head.lower()
    at = lowered.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    return x.head[start : x.head.index(b"\r\n", start)].strip(b" \t")

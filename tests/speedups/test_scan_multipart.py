"""Multipart fields are found only where every reader would find the same."""

from __future__ import annotations

from types import ModuleType

import pytest

BOUNDARY = b"----x123"


def part(disposition: bytes, content: bytes, *headers: bytes) -> bytes:
    lines = [b"--" + BOUNDARY, b"Content-Disposition: " + disposition, *headers, b"", content]
    return b"\r\n".join(lines) + b"\r\n"


MODEL = part(b'form-data; name="model"', b"whisper-1")
FILE = part(
    b'form-data; name="file"; filename="a;\\"b.wav"',
    b"\x00\r\n--\xff\r\n--" + BOUNDARY[:-1],
    b"Content-Type: audio/wav",
)
END = b"--" + BOUNDARY + b"--\r\n"


def found(scan: ModuleType, body: bytes) -> dict[bytes, bytes] | None:
    fields = scan.scan_multipart(body, BOUNDARY)
    return None if fields is None else {name: body[start:end] for name, (start, end) in fields.items()}


def test_fields_and_files(scan: ModuleType) -> None:
    body = b"preamble\r\n" + MODEL + FILE + part(b"form-data; name=stream", b"") + END + b"epilogue"
    assert found(scan, body) == {
        b"model": b"whisper-1",
        b"@file": b"\x00\r\n--\xff\r\n--" + BOUNDARY[:-1],
        b"stream": b"",
    }


def test_every_prefix(scan: ModuleType) -> None:
    """A field is listed only when it is whole; until then what there is of it is listed as content."""
    body = MODEL + FILE + END
    for length in range(len(body) + 1):
        fields = found(scan, body[:length])
        if length < len(BOUNDARY) + 2:
            assert fields is None
            continue
        assert fields is not None
        whole = length >= len(MODEL) - 2 + 2 + len(BOUNDARY) + 2
        assert fields.get(b"model") == (b"whisper-1" if whole else None), length
        if b"@model" in fields:
            assert b"whisper-1\r\n--".startswith(fields[b"@model"][:13])


@pytest.mark.parametrize(
    "body",
    [
        MODEL + MODEL + END,
        MODEL + part(b'form-data; name="MODEL"', b"x") + END,
        part(b'form-data; name="Model"', b"x") + END,
        MODEL + part(b'form-data; name="model"; filename="a"', b"x") + END,
        part(b'form-data; name="mo\\del"', b"x") + END,
        part(b"form-data; name*=utf-8''model", b"x") + END,
        part(b'form-data; name="a"; name="model"', b"x") + END,
        part(b"form-data", b"x") + END,
        part(b'attachment; name="model"', b"x") + END,
        part(b'form-data; name="model', b"x") + END,
        part(b'form-data; name="model" x', b"x") + END,
        part(b'form-data; name="model"', b"bW9kZWw=", b"Content-Transfer-Encoding: base64") + END,
        part(b'form-data; name="a"', b"x", b'Content-Disposition: form-data; name="model"') + END,
        part(b'form-data; name="model"', b"x", b" folded") + END,
        part(b'form-data; name="model"', b"x", b"X-A : 1") + END,
        part(b'form-data; name="model"', b"x", b"X-A: " + b"a" * 5000) + END,
        b"--" + BOUNDARY + b"x\r\n\r\n",
        b"no boundary at all",
        b"",
    ],
)
def test_what_readers_may_read_differently_is_refused(scan: ModuleType, body: bytes) -> None:
    assert found(scan, body) is None


def test_plain_transfer_encodings(scan: ModuleType) -> None:
    body = part(b'form-data; name="model"', b"m", b"content-transfer-encoding: 8BIT") + END
    assert found(scan, body) == {b"model": b"m"}


def test_too_many_parts(scan: ModuleType) -> None:
    assert found(scan, b"".join([part(b'form-data; name="a%d"' % n, b"") for n in range(1001)]) + END) is None
    assert found(scan, b"".join([part(b'form-data; name="a%d"' % n, b"") for n in range(900)]) + END) is not None


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data;charset=utf-8; BOUNDARY="a b:c"', b"a b:c"),
        (b"multipart/form-data; boundary=" + b"a" * 70, b"a" * 70),
        (b"multipart/form-data; boundary=" + b"a" * 71, None),
        (b'multipart/form-data; boundary="a "', None),
        (b'multipart/form-data; boundary=""', None),
        (b"multipart/form-data; boundary=a; boundary=b", None),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=a b", None),
        (b'multipart/form-data; boundary="a\\"b"', None),
        (b"application/json; boundary=abc", None),
        (b"", None),
    ],
)
def test_boundaries(scan: ModuleType, content_type: bytes, boundary: bytes | None) -> None:
    assert scan.boundary_of(content_type) == boundary


def test_no_part_with_an_invalid_boundary(scan: ModuleType) -> None:
    assert scan.scan_multipart(b"--\x00\r\n", b"\x00") is None

"""Frames of AWS event streams: known ones, at every split, damaged ones."""

from __future__ import annotations

from struct import pack
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.eventstream import (
    MAX_HEADERS_BYTES,
    MAX_PAYLOAD_BYTES,
    BadFrame,
    EventStreamReader,
    Frame,
    frame,
    header_bytes,
)

EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")
PAYLOAD = bytes.fromhex("0000001d00000000fd528c5a") + b"{'foo':'bar'}" + bytes.fromhex("c3653936")
"""Of the test vectors that AWS' own implementations share."""
TYPES = {":event-type": "contentBlockDelta", ":message-type": "event", "ü": ""}


def read(data: bytes, cuts: list[int]) -> list[Frame]:
    reader = EventStreamReader()
    out: list[Frame] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        out += reader.feed(data[begin:end])
    assert not reader.pending
    return out


def raw(headers: bytes, payload: bytes) -> bytes:
    """A frame whose checksums are right, whatever stands in it."""
    return frame(headers, payload)


def test_known_frames() -> None:
    assert frame(b"", b"") == EMPTY
    assert frame(b"", b"{'foo':'bar'}") == PAYLOAD
    assert read(EMPTY + PAYLOAD, []) == [Frame({}, b""), Frame({}, b"{'foo':'bar'}")]


def test_every_split_gives_the_same_frames() -> None:
    data = EMPTY + frame(header_bytes(TYPES), b'{"a":1}') + PAYLOAD
    whole = read(data, [])
    assert whole[1] == Frame(TYPES, b'{"a":1}')
    assert read(data, list(range(1, len(data)))) == whole
    for at in range(1, len(data)):
        assert read(data, [at]) == whole


def test_headers_of_all_types() -> None:
    values = {
        0: b"", 1: b"", 2: b"x", 3: b"xx", 4: b"x" * 4, 5: b"x" * 8, 6: b"\x00\x02ab", 7: b"\x00\x02ok", 8: b"x" * 8,
        9: b"x" * 16,
    }  # fmt: skip
    headers = b"".join(b"\x01%c%c" % (97 + kind, kind) + value for kind, value in values.items())
    assert read(raw(headers, b"end"), []) == [Frame({"h": "ok"}, b"end")]


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a",
        b"\x01a\x07",
        b"\x01a\x07\x00\x05ab",
        b"\x01a\x0a",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
    ],
)
def test_headers_that_are_none(headers: bytes) -> None:
    with pytest.raises(BadFrame, match="headers"):
        read(raw(headers, b""), [])


def test_each_damaged_byte_is_noticed() -> None:
    data = frame(header_bytes({":event-type": "x"}), b"payload")
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(BadFrame):
            list(EventStreamReader().feed(damaged))


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (MAX_PAYLOAD_BYTES + 17, 0), (MAX_HEADERS_BYTES + 17, MAX_HEADERS_BYTES + 1), (15, 0), (20, 5),
        (0xFFFFFFFF, 0xFFFFFFFF),
    ],
)  # fmt: skip
def test_lengths_beyond_the_limits_are_refused_at_once(total: int, headers: int) -> None:
    lengths = pack(">II", total, headers)
    with pytest.raises(BadFrame, match=r"large|contradict"):
        list(EventStreamReader().feed(lengths + pack(">I", crc32(lengths))))


def test_frames_before_a_bad_one_are_told() -> None:
    frames = EventStreamReader().feed(EMPTY + PAYLOAD + b"nonsense and more")
    assert next(frames).payload == b""
    assert next(frames).payload == b"{'foo':'bar'}"
    with pytest.raises(BadFrame):
        next(frames)


def test_an_unfinished_frame_is_pending() -> None:
    reader = EventStreamReader()
    assert list(reader.feed(PAYLOAD[:20])) == []
    assert reader.pending
    assert len(list(reader.feed(PAYLOAD[20:]))) == 1
    assert not reader.pending


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_nothing_but_bad_frames_is_raised(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    reader = EventStreamReader()
    try:
        for at in range(0, len(data), size):
            list(reader.feed(data[at : at + size]))
    except BadFrame:
        pass


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=5), st.binary(max_size=200))
def test_what_is_written_is_read(headers: dict[str, str], payload: bytes) -> None:
    assert read(frame(header_bytes(headers), payload), []) == [Frame(headers, payload)]

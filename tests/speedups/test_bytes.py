"""The small functions on bytes: both twins agree with slicing, finding and formatting."""

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _speedups import _bytes, _bytes_py

TWINS = [pytest.param(_bytes, id="c"), pytest.param(_bytes_py, id="py")]


@pytest.mark.parametrize("twin", TWINS)
@given(data=st.binary(max_size=40), start=st.integers(0, 50), stop=st.integers(0, 50))
def test_part_is_a_slice(twin: ModuleType, data: bytes, start: int, stop: int) -> None:
    assert twin.part(data, start, stop) == data[start:stop]


@pytest.mark.parametrize("twin", TWINS)
@given(data=st.binary(max_size=8), start=st.integers(0, 9), size=st.integers(0, 9), other=st.binary(max_size=3))
def test_equals_compares_a_slice(twin: ModuleType, data: bytes, start: int, size: int, other: bytes) -> None:
    inside = start + size <= len(data)
    assert twin.equals(data, start, start + size, other) is (inside and data[start : start + size] == other)
    if inside:
        assert twin.equals(data, start, start + size, data[start : start + size])


@pytest.mark.parametrize("twin", TWINS)
def test_taken_copies_what_a_buffer_begins_with(twin: ModuleType) -> None:
    buffer = bytearray(b"abc")
    assert [twin.taken(buffer, count) for count in range(4)] == [b"", b"a", b"ab", b"abc"]
    for count in (-1, 4):
        with pytest.raises(ValueError, match="buffer"):
            twin.taken(buffer, count)


@pytest.mark.parametrize("twin", TWINS)
@given(pieces=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\r\n\r\n"]), max_size=8))
def test_head_end_is_behind_the_first_empty_line(twin: ModuleType, pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    head, empty_line, _ = data.partition(b"\r\n\r\n")
    assert twin.head_end(data) == (len(head) + 4 if empty_line else -1)


@pytest.mark.parametrize("twin", TWINS)
@given(data=st.binary(max_size=40), byte=st.integers(0, 255))
def test_find_byte_finds_the_first(twin: ModuleType, data: bytes, byte: int) -> None:
    assert twin.find_byte(data, byte) == data.find(byte)
    assert twin.find_byte(data + bytes([byte, byte]), byte) == (data + bytes([byte])).index(byte)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("size", [1, 9, 15, 16, 255, 256, 4095, 65536])
def test_chunk_states_its_size_in_hexadecimal(twin: ModuleType, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert twin.chunk(data) == f"{size:x}\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize("twin", TWINS)
def test_no_data_is_no_chunk(twin: ModuleType) -> None:
    assert twin.chunk(b"") == b""


@pytest.mark.parametrize("twin", TWINS)
def test_the_clock_never_goes_back(twin: ModuleType) -> None:
    times = [twin.monotonic_ns() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0] > 0


@pytest.mark.parametrize("twin", TWINS)
@given(value=st.integers(0, 2**63 - 1))
def test_decimal_is_the_number(twin: ModuleType, value: int) -> None:
    assert twin.decimal(value) == b"%d" % value


@pytest.mark.parametrize("twin", TWINS)
def test_decimal_knows_no_sign(twin: ModuleType) -> None:
    with pytest.raises(ValueError, match="negative"):
        twin.decimal(-1)


@pytest.mark.parametrize("twin", TWINS)
@given(prefix=st.binary(max_size=30), number=st.integers(0, 2**63 - 1))
def test_numbered_ends_in_twelve_digits(twin: ModuleType, prefix: bytes, number: int) -> None:
    assert twin.numbered(prefix, number) == prefix + b"%012x" % (number % 2**48)


@pytest.mark.parametrize("twin", TWINS)
@given(data=st.binary(max_size=40))
def test_unhex_undoes_hex(twin: ModuleType, data: bytes) -> None:
    assert twin.unhex(data.hex().encode()) == data


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("digits", [b"0", b"0g", b"AB", b" 00 ", b"\xff\xff"])
def test_unhex_takes_nothing_else(twin: ModuleType, digits: bytes) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|[Oo]dd"):
        twin.unhex(digits)


@pytest.mark.parametrize("twin", TWINS)
def test_word_at_reads_an_unsigned_word_and_nothing_beyond(twin: ModuleType) -> None:
    buffer = bytearray(range(8)) + b"\xff" * 8
    words = memoryview(buffer).cast("Q")
    assert [twin.word_at(words, index) for index in range(2)] == [0x0706050403020100, 2**64 - 1]
    buffer[8:] = bytes(8)
    assert twin.word_at(words, 1) == 0
    with pytest.raises(IndexError):
        twin.word_at(words, 2)
    words.release()
    with pytest.raises(ValueError, match="released"):
        twin.word_at(words, 0)

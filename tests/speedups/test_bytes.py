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
@given(pieces=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\r\n\r\n"]), max_size=8))
def test_head_end_is_behind_the_first_empty_line(twin: ModuleType, pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    head, empty_line, _ = data.partition(b"\r\n\r\n")
    assert twin.head_end(data) == (len(head) + 4 if empty_line else -1)


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

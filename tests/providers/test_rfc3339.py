from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rfc3339 import moment, seconds


@given(st.integers(0, 4_102_444_800))
def test_moments_are_those_of_the_calendar(since_1970: int) -> None:
    text = moment(since_1970)
    assert text == datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert seconds(text) == since_1970


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2025-11-25T10:00:00.123456Z", 1_764_064_800), ("2025-11-25T12:00:00+02:00", 1_764_064_800), ("yesterday", 0),
     ("2025-13-01T00:00:00Z", 0), ("", 0), ("1969-01-01T00:00:00Z", 0)],
)  # fmt: skip
def test_what_providers_write(text: str, expected: int) -> None:
    assert seconds(text) == expected

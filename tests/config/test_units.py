"""Times and sizes as people write them."""

import pytest

from gateway.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172800),
        (7, 7),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "3 parsecs", "1s x", True, None, [1], "1m30"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a time such as 30s"):
        parse_duration(text)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_impossible_durations(value: float) -> None:
    with pytest.raises(ValueError, match="negative or infinite"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32MiB", 32 << 20),
        ("64KiB", 65536),
        ("1GB", 10**9),
        ("1.5k", 1500),
        ("12", 12),
        ("9B", 9),
        (77, 77),
        ("1 Mi", 1 << 20),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1 parsec", 1.5, True, None])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 32MiB"):
        parse_size(text)


def test_negative_size() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        parse_size(-1)


@pytest.mark.parametrize("value", [1e300, 10**9 + 1, 10**400, "9" * 400 + "d", "20000d"])
def test_no_time_is_longer_than_nanoseconds_can_tell(value: object) -> None:
    with pytest.raises(ValueError, match="a time cannot be longer than 1000000000 s"):
        parse_duration(value)


@pytest.mark.parametrize("value", [2**53 + 1, 10**400, "9" * 400, "99999TiB"])
def test_no_size_is_more_than_can_be_counted(value: object) -> None:
    with pytest.raises(ValueError, match="a size cannot be more than 9007199254740992 bytes"):
        parse_size(value)

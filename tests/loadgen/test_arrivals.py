from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from gateway.loadgen import arrivals

MS = 1_000_000


def test_even_arrivals_do_not_drift() -> None:
    moments = arrivals.even(3000, 10)
    assert len(moments) == 30_000
    assert moments[:3] == [0, 333_333, 666_666]
    assert moments[29_997] == 9_999_000_000


def test_a_ramp_grows_evenly_up_to_its_rate() -> None:
    moments = arrivals.ramp(1000, 2)
    assert len(moments) == 1000
    assert moments[250] == pytest.approx(1000 * MS, rel=0.01)
    assert moments[-1] - moments[-2] == pytest.approx(1 * MS, rel=0.01)
    assert moments[-1] < 2000 * MS


def test_poisson_arrivals_repeat_with_their_seed_and_keep_the_rate() -> None:
    moments = arrivals.poisson(1000, 20, seed=3)
    assert moments == arrivals.poisson(1000, 20, seed=3)
    assert moments != arrivals.poisson(1000, 20, seed=4)
    assert moments == sorted(moments)
    assert len(moments) == pytest.approx(20_000, rel=0.05)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("iso.csv", "TIMESTAMP,A,B\n2023-11-16 18:17:03.9799600,1,2\n2023-11-16 18:17:04.0799600,3,4\n"),
        ("seconds.csv", "0.5,x\n0.6,y\n"),
        ("unsorted.csv", "0.6\n0.5\n"),
        ("rows.jsonl", '{"timestamp": 500, "n": 1}\n{"timestamp": 600}\n'),
    ],
)
def test_traces_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (tmp_path / name, packed):
        first, second = arrivals.trace(path)
        assert first == 0
        assert second == pytest.approx(100 * MS, abs=1000)


def test_a_trace_is_stretched_to_a_rate_and_limited(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0\n1\n3\n9\n")
    assert arrivals.trace(path, rate=3) == pytest.approx([0, 111 * MS, 333 * MS, 1000 * MS], abs=MS)
    assert len(arrivals.trace(path, limit=2)) == 2


@pytest.mark.parametrize("text", ["", "5\n", "5\n5\n", "heading\n"])
def test_a_trace_without_a_length_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="at least two moments"):
        arrivals.trace(path)

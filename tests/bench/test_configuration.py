"""The configurations the load cases serve are valid, and have what the target of P1 asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import certificates
from gateway.config.loader import load

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.mark.parametrize("name", ["p1.yaml", "p12.yaml"])
def test_it_is_valid_with_five_limits_and_a_fallback(name: str, tmp_path: Path) -> None:
    authority = certificates.write(tmp_path)
    config = load(str(BENCH / name), {"MICROGATE_BENCH_CA": str(authority)}).config
    assert len(config.virtual_keys[0].limits) == 5
    assert config.routes["bench"].fallbacks


def test_levels_have_three_times_five_limits() -> None:
    config = load(str(BENCH / "levels.yaml"), {}).config
    levels = (config.virtual_keys[0], config.teams["bench"], config.customers["acme"])
    assert [len(level.limits) + len(level.budgets) for level in levels] == [5, 5, 5]
    assert config.virtual_keys[0].team == "bench"

"""How often served answers were wrong, and how sure that is."""

from __future__ import annotations

import pytest

from gateway.cache.similar.audit import Audit, audited, clopper_pearson_upper


# One-sided 95 % limits by the quantile of the beta distribution, Beta(wrong + 1, of - wrong).
@pytest.mark.parametrize(
    ("wrong", "of", "upper"),
    [(0, 10, 0.258866), (0, 299, 0.009969), (1, 100, 0.046560), (5, 100, 0.102253), (50, 1000, 0.062863), (3, 3, 1.0)],
)
def test_upper_limits(wrong: int, of: int, upper: float) -> None:
    assert clopper_pearson_upper(wrong, of) == pytest.approx(upper, abs=2e-6)


def test_nothing_looked_at_says_nothing() -> None:
    assert clopper_pearson_upper(0, 0) == 1.0
    assert Audit().wrong_per_hit_upper() == Audit().wrong_per_lookup_upper() == 1.0
    assert Audit().wrong_per_hit() == 0.0


def test_rates() -> None:
    counted = Audit(1000, 400, 40, 2) + Audit(1000, 200, 60, 0)
    assert counted == (2000, 600, 100, 2)
    assert counted.wrong_per_hit() == 0.02
    assert counted.wrong_per_hit_upper() == clopper_pearson_upper(2, 100)
    assert counted.wrong_per_lookup_upper() == pytest.approx(clopper_pearson_upper(2, 100) * 0.3)


def test_counters_survive_storage() -> None:
    counted = Audit(1 << 40, 7, 5, 3)
    assert Audit.from_bytes(counted.to_bytes()) == counted
    with pytest.raises(ValueError, match="audit"):
        Audit.from_bytes(counted.to_bytes()[:-1])


def test_the_sample() -> None:
    assert audited(0.0, 0.02)
    assert not audited(0.02, 0.02)
    assert not audited(0.0, 0.0)

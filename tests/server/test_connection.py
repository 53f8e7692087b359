"""How long callers' connections are kept."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.server.connection import ahead_ns

HOUR_NS = 3600 * 10**9


def test_those_made_together_are_not_given_up_together() -> None:
    drawn = [ahead_ns(HOUR_NS) for _ in range(1000)]
    assert all(0 <= ahead < 0.2 * HOUR_NS for ahead in drawn), "never later than the operator says"
    assert len(set(drawn)) > 990
    quarters = Counter(int(ahead / (0.05 * HOUR_NS)) for ahead in drawn)
    assert all(180 < quarters[quarter] < 320 for quarter in range(4)), "five standard deviations"


@pytest.mark.parametrize("age_ns", [-1, 0])
def test_while_every_connection_is_too_old_nothing_is_drawn(age_ns: int) -> None:
    assert ahead_ns(age_ns) == 0

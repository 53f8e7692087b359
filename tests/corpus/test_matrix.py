"""Every recorded answer and request between every two dialects, judged by the official SDKs' types."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.corpus import render_matrix
from tests.corpus.dialect_rows import directory
from tests.corpus.matrix import Cell
from tests.corpus.matrix_rules import RULES

pytestmark = pytest.mark.skipif(directory() is None, reason="the recorded exchanges are not here")

Measured = tuple[dict[tuple[str, str], Cell], dict[tuple[str, str], Cell], Counter[str]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return render_matrix.measured()


def test_answers_arrive_whole(measured: Measured) -> None:
    equal, checked = render_matrix.totals(measured[0])
    assert checked > 10_000
    assert equal >= 0.99 * checked, [line for cell in measured[0].values() for line in cell.unequal][:20]


def test_requests_are_those_that_sdks_send(measured: Measured) -> None:
    equal, checked = render_matrix.totals(measured[1])
    assert checked > 10_000
    assert equal == checked, [line for cell in measured[1].values() for line in cell.unequal][:20]


def test_every_exception_is_explained(measured: Measured) -> None:
    assert set(measured[2]) <= set(RULES)


def test_the_page_is_true(measured: Measured) -> None:
    wanted = render_matrix.page(*measured)
    assert render_matrix.PAGE.read_text() == wanted, "run: python -m tests.corpus.render_matrix"

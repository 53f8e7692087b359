"""What recorded exchanges cost here is what genai-prices says that they cost, to the nano-dollar."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.costs import ours, rates, recordings, scanned, theirs

DIFFERENCES = Path(__file__).with_name("cost_differences.json")
"""``reasons``, and for each recording that costs something else both sums (text: why genai-prices refuses it; null:
there is no price here) and which of the reasons it has."""


class Compared:
    def __init__(self, corpus: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.other: dict[str, dict[str, Any]] = {}
        for row in recordings(corpus):
            usage = scanned(row)
            if usage is None:
                self.counts["without usage"] += 1
                continue
            wanted = theirs(row)
            if wanted is None:
                self.counts["without a price of genai-prices'"] += 1
                continue
            found, cut = ours(row, usage) if rates(row.vendor, row.model) is not None else (None, False)
            self.counts["compared"] += 1
            self.counts["with cached tokens"] += usage.cached > 0
            self.counts["with thoughts"] += usage.reasoning > 0
            self.counts["streams"] += row.streaming
            if found != wanted:
                self.other[row.id] = {"ours": found, "theirs": wanted}
            if cut:
                self.counts["contradicting themselves"] += 1


@pytest.fixture(scope="module")
def compared(corpus: Path) -> Compared:
    return Compared(corpus)


def test_every_difference_is_explained(compared: Compared) -> None:
    known = json.loads(DIFFERENCES.read_text())
    print(dict(compared.counts), f"{len(compared.other)} other")
    told = {identity: {"ours": row["ours"], "theirs": row["theirs"]} for identity, row in known["rows"].items()}
    assert compared.other == told, "a difference that is gone or new, or another sum"
    assert {row["why"] for row in known["rows"].values()} == known["reasons"].keys()


def test_there_is_enough_to_compare(compared: Compared) -> None:
    counts = compared.counts
    assert counts["compared"] > 1_500
    assert counts["with cached tokens"] > 100
    assert counts["with thoughts"] > 200
    assert counts["streams"] > 150
    assert len(compared.other) < counts["compared"] * 0.03

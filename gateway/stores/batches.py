"""Many answers as parts of which one transaction each can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

BATCH_BYTES = 16 << 20
"""Of one transaction, which LMDB holds in memory until it is committed, and Redis until it has arrived."""

Answers: TypeAlias = Sequence[tuple[bytes, bytes, int]]
"""(key, answer, wall-clock time in ns at which it is forgotten)"""


def batches(answers: Answers) -> Iterator[Answers]:
    begin = size = 0
    for at, (key, value, _) in enumerate(answers):
        if size and size + len(value) > BATCH_BYTES:
            yield answers[begin:at]
            begin, size = at, 0
        size += len(key) + len(value)
    yield answers[begin:]

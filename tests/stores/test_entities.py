"""Ids that sort by their time."""

from __future__ import annotations

import time
import uuid

from gateway.stores.entities import new_id


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    assert str(made) == str(uuid.UUID(str(made)))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_sort_as_they_were_made_and_never_repeat() -> None:
    made = []
    for _ in range(500):
        made.append(new_id())
        time.sleep(1e-6)
    assert made == sorted(made)
    assert len({new_id() for _ in range(20_000)}) == 20_000

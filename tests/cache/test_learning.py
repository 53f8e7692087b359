"""What is learned of similar questions is kept over restarts; how often hits were wrong, for each mode by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from gateway.cache.similar.learning import Learning
from gateway.snapshot.cache import Semantic
from gateway.stores.protocols import AnswerStore

SCOPE = bytes(16)


class Kept(dict[bytes, bytes]):
    """As much of a store as is asked for."""

    def put(self, entries: Sequence[tuple[bytes, bytes, int]]) -> None:
        self.update((key, data) for key, data, _ in entries)


def learning(
    answers: Kept, directory: Path, mode: Literal["shadow", "threshold", "verified"], embedder: str = "a/b"
) -> Learning:
    return Learning(cast(AnswerStore, answers), Semantic(embedder=embedder, mode=mode), str(directory))


def figures(told: dict[str, Any]) -> tuple[int, ...]:
    return tuple(told[name] for name in ("lookups", "would_be_hits", "audited", "wrong", "observations", "compared"))


def test_hits_of_one_mode_say_nothing_of_another_ones(tmp_path: Path) -> None:
    answers = Kept()
    shadow = learning(answers, tmp_path, "shadow")
    shadow.counted({"looked": 10, "would_hit": 2})
    for right in (True, False):
        shadow.note(SCOPE, 1, 0.9, 0.9, "", right, True, -1.0, 2**62)
    assert figures(shadow.stats()) == (10, 2, 2, 1, 2, 2)
    # The mode is changed in place.
    shadow.settings = msgspec.structs.replace(shadow.settings, mode="verified")
    assert figures(shadow.stats()) == (10, 0, 0, 0, 2, 2)
    shadow.save()

    verified = learning(answers, tmp_path, "verified")
    assert figures(verified.stats()) == (10, 0, 0, 0, 2, 2)
    verified.counted({"looked": 5, "similar": 1})
    verified.save()
    assert figures(learning(answers, tmp_path, "verified").stats()) == (15, 1, 0, 0, 2, 2)
    assert figures(learning(answers, tmp_path, "shadow").stats()) == (15, 2, 2, 1, 2, 2)
    assert figures(learning(answers, tmp_path, "shadow", "another/one").stats()) == (0,) * 6


def test_what_is_damaged_begins_anew(tmp_path: Path) -> None:
    learning(Kept(), tmp_path, "shadow").save()
    for path in tmp_path.glob("*/*"):
        path.write_bytes(b"?")
    assert figures(learning(Kept(), tmp_path, "shadow").stats()) == (0,) * 6

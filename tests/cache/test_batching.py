"""What stands between requests and an embedder: one call for many, none for what is known, and no long wait."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, cast

import pytest

from gateway.cache.embedding import batching
from gateway.cache.embedding.batching import ENTRY_BYTES, FAILURES, MOST_CALLS, MOST_TEXTS, Embedding
from gateway.cache.embedding.protocol import NotEmbedded, unit_vector
from gateway.principal import Principal
from tests.cache.loops import Run, until

NEVER = 3600.0
"""A limit that no test reaches."""


class Slow:
    """Embeds when it is told to, and knows what it was asked."""

    def __init__(self, *, slow: bool = False) -> None:
        self.name = "test/model"
        self.dimension = 2
        self.gate = asyncio.Event()
        if not slow:
            self.gate.set()
        self.calls: list[list[str]] = []
        self.asked_by: list[object] = []
        self.cancelled = 0
        self.failure: Exception | None = None
        self.refused: set[str] = set()
        self.rows = -1
        self.kept_from: set[object] = set()
        self.cut = False

    def may_see(self, asked_by: Principal) -> bool:
        return asked_by not in self.kept_from

    def cut_all(self) -> None:
        self.cut = True

    async def embed(self, texts: list[str], asked_by: Principal | None = None) -> list[bytes]:
        self.calls.append(texts)
        self.asked_by.append(asked_by)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        if self.refused.intersection(texts):
            raise NotEmbedded("too long", text_at_fault=True)
        return [vector(text) for text in texts][: self.rows if self.rows >= 0 else None]


def vector(text: str) -> bytes:
    return unit_vector([1.0, float(len(text))])


async def found(asked: bytes | asyncio.Future[bytes | None] | None) -> bytes | None:
    return await asked if isinstance(asked, asyncio.Future) else asked


def is_waiting(asked: object) -> bool:
    return isinstance(asked, asyncio.Future)


def embedding(embedder: Slow, timeout: float = NEVER, **more: Any) -> Embedding:
    return Embedding(asyncio.get_running_loop(), embedder, timeout, **more)


def test_texts_of_one_turn_go_in_one_call_and_equal_ones_once(run: Run) -> None:
    async def main() -> None:
        embedder = Slow()
        made = embedding(embedder)
        first, second = cast(Principal, object()), cast(Principal, object())
        asked = [made.vector_of(text, by) for text, by in (("a", first), ("bb", second), ("a", second))]
        assert [await found(one) for one in asked] == [vector("a"), vector("bb"), vector("a")]
        assert embedder.calls == [["a", "bb"]]
        assert embedder.asked_by == [first]
        assert made.vector_of("a") == vector("a"), "kept: nobody waits"
        assert (made.asked, made.calls, made.texts, made.joined, made.hits) == (4, 1, 2, 1, 1)
        await made.close()

    run(main)


def test_what_is_under_way_is_joined(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder)
        first = made.vector_of("a")
        await until(lambda: embedder.calls)
        second = made.vector_of("a")
        embedder.gate.set()
        assert await found(first) == await found(second) == vector("a")
        assert len(embedder.calls) == 1
        await made.close()

    run(main)


def test_calls_are_bounded_in_texts_bytes_and_number(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder)
        asked = [made.vector_of(f"text {number}") for number in range(10 * MOST_TEXTS)]
        await until(lambda: len(embedder.calls) == MOST_CALLS)
        await asyncio.sleep(0.01)
        assert [len(texts) for texts in embedder.calls] == [MOST_TEXTS] * MOST_CALLS
        embedder.gate.set()
        assert None not in [await found(one) for one in asked]
        assert sum(map(len, embedder.calls)) == 10 * MOST_TEXTS
        long = ["x" * (batching.MOST_TEXT_BYTES - number) for number in range(MOST_TEXTS)]
        asked = [made.vector_of(text) for text in long]
        assert None not in [await found(one) for one in asked]
        assert max(sum(map(len, texts)) for texts in embedder.calls) <= batching.MOST_CALL_BYTES
        await made.close()

    run(main)


def test_large_vectors_come_fewer_at_a_time(run: Run) -> None:
    async def main() -> None:
        embedder = Slow()
        embedder.dimension = batching.MOST_NUMBERS // 5
        made = embedding(embedder)
        asked = [made.vector_of(f"text {number}") for number in range(12)]
        assert None not in [await found(one) for one in asked]
        assert [len(texts) for texts in embedder.calls] == [5, 5, 2]
        embedder.dimension = 10 * batching.MOST_NUMBERS
        assert await found(made.vector_of("one")) == vector("one")
        await made.close()

    run(main)


def test_what_the_embedder_may_not_see_is_not_sent(run: Run) -> None:
    async def main() -> None:
        embedder = Slow()
        made = embedding(embedder)
        kept, other = cast(Principal, object()), cast(Principal, object())
        embedder.kept_from = {kept}
        assert made.vector_of("a", kept) is None
        assert await found(made.vector_of("b", other)) == vector("b")
        assert embedder.calls == [["b"]]
        await made.close()

    run(main)


def test_more_than_can_be_embedded_is_not_waited_for(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder)
        most = MOST_CALLS * MOST_TEXTS + batching.MOST_WAITING
        asked = [made.vector_of(f"text {number}") for number in range(most + 5)]
        assert asked[-5:] == [None] * 5
        assert all(map(is_waiting, asked[:-5]))
        assert made.unasked == 5
        embedder.gate.set()
        assert None not in [await found(one) for one in asked[:-5]]
        await made.close()

    run(main)


@pytest.mark.parametrize("text", ["", "x" * (batching.MOST_TEXT_BYTES + 1), "\ud800"])
def test_what_no_embedder_takes_is_not_asked_for(run: Run, text: str) -> None:
    async def main() -> None:
        made = embedding(Slow())
        assert made.vector_of(text) is None
        assert (made.unasked, made.calls) == (1, 0)
        await made.close()

    run(main)


def test_a_request_goes_on_when_its_time_is_over_and_the_vector_is_kept(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder, timeout=0.01)
        asked = made.vector_of("a")
        patient = made.vector_of("a", timeout=NEVER)
        assert await found(asked) is None
        assert made.late == 1
        assert isinstance(patient, asyncio.Future)
        assert not patient.done()
        embedder.gate.set()
        assert await patient == vector("a")
        assert made.vector_of("a") == vector("a")
        assert len(embedder.calls) == 1
        await made.close()

    run(main)


def test_one_who_leaves_harms_nobody(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder)
        first, second = made.vector_of("a"), made.vector_of("a")
        assert isinstance(first, asyncio.Future)
        await until(lambda: embedder.calls)
        first.cancel()
        waiting = asyncio.create_task(found(made.vector_of("a")))
        await asyncio.sleep(0)
        waiting.cancel()
        embedder.gate.set()
        assert await found(second) == vector("a")
        assert embedder.cancelled == 0
        assert made.vector_of("a") == vector("a")
        await made.close()

    run(main)


def test_after_failures_in_a_row_it_is_left_alone_and_then_tried_by_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        embedder = Slow()
        embedder.failure = NotEmbedded("status 500: boom")
        made = embedding(embedder)
        for number in range(FAILURES):
            assert not made.resting
            assert await found(made.vector_of(f"text {number}")) is None
        assert made.resting
        assert (made.failed, len(embedder.calls)) == (FAILURES, FAILURES)
        assert made.vector_of("another") is None, "nobody waits"
        assert len(embedder.calls) == FAILURES
        # Its rest is over: one call finds out.
        monkeypatch.setattr(made, "_rests_until", 0.0)
        embedder.gate.clear()
        probe = made.vector_of("probe")
        assert is_waiting(probe)
        assert made.vector_of("while it is tried") is None
        embedder.gate.set()
        assert await found(probe) is None
        assert made.resting, "it failed again"
        assert (made.failed, len(embedder.calls)) == (FAILURES + 1, FAILURES + 1)
        monkeypatch.setattr(made, "_rests_until", 0.0)
        embedder.failure = None
        assert await found(made.vector_of("probe")) == vector("probe")
        assert not made.resting
        asked = [made.vector_of(text) for text in ("c", "dd")]
        assert [await found(one) for one in asked] == [vector("c"), vector("dd")]
        await made.close()

    run(main)
    assert "status 500: boom" in caplog.text
    assert "left alone for 5 s" in caplog.text
    assert "left alone for 10 s" in caplog.text


def test_a_fault_of_an_embedders_own_is_a_failure(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        embedder = Slow()
        embedder.failure = ZeroDivisionError("a bug")
        made = embedding(embedder)
        assert await found(made.vector_of("a")) is None
        embedder.failure, embedder.rows = None, 1
        asked = [made.vector_of(text) for text in ("b", "cc")]
        assert [await found(one) for one in asked] == [None, None], "a row is missing"
        assert made.failed == 2
        await made.close()

    run(main)
    assert "a bug" in caplog.text


def test_a_text_that_is_refused_costs_the_others_nothing(run: Run) -> None:
    async def main() -> None:
        embedder = Slow()
        embedder.refused = {"bad", "worse"}
        made = embedding(embedder)
        for _ in range(2 * FAILURES):
            texts = ["a", "bad", "bb", "worse"]
            assert [await found(made.vector_of(text)) for text in texts] == [vector("a"), None, vector("bb"), None]
        asked = [made.vector_of(text) for text in ("c", "bad", "ccc")]
        assert [await found(one) for one in asked] == [vector("c"), None, vector("ccc")]
        assert not made.resting
        assert sum("bad" in texts for texts in embedder.calls) == 1, "it is not asked for again"
        # Several in one call.
        embedder.refused = {"no"}
        asked = [made.vector_of(text) for text in ("e", "no", "eeeee")]
        assert [await found(one) for one in asked] == [vector("e"), None, vector("eeeee")]
        assert embedder.calls[-4:] == [["e", "no", "eeeee"], ["e"], ["no"], ["eeeee"]]
        assert made.failed == 0
        await made.close()

    run(main)


def test_one_that_is_always_late_is_asked_without_waiting(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder, timeout=0.001)
        for number in range(FAILURES):
            assert await found(made.vector_of(f"text {number}")) is None
            await asyncio.sleep(0.002)
            embedder.gate.set()
            await until(lambda number=number: made.vector_of(f"text {number}") == vector("text 0"))  # type: ignore[misc]
            embedder.gate.clear()
        assert made.impatient
        assert made.vector_of("later") is None
        made.timeout = NEVER
        await until(lambda: ["later"] in embedder.calls)
        embedder.gate.set()
        await until(lambda: made.vector_of("later") == vector("later"))
        await until(lambda: not made.impatient)
        assert await found(made.vector_of("now")) == vector("now"), "it was in time"
        await made.close()

    run(main)


def test_what_is_kept_is_bounded_in_bytes(run: Run) -> None:
    async def main() -> None:
        embedder = Slow()
        made = embedding(embedder, kept_bytes=3 * (ENTRY_BYTES + 8))
        for text in ("a", "b", "c", "a", "d"):
            await found(made.vector_of(text))
        assert [text for (text,) in embedder.calls] == ["a", "b", "c", "d"]
        for text in ("a", "c", "d"):
            assert made.vector_of(text) == vector(text)
        assert is_waiting(made.vector_of("b")), "the one that was not used longest has given way"
        await made.close()

    run(main)


def test_a_worker_that_goes_keeps_nobody_waiting(run: Run) -> None:
    async def main() -> None:
        embedder = Slow(slow=True)
        made = embedding(embedder)
        under_way = made.vector_of("a")
        await until(lambda: embedder.calls)
        gathered = made.vector_of("b")
        made.cut_all()
        assert await found(under_way) is None
        assert await found(gathered) is None
        assert made.vector_of("c") is None
        assert embedder.cut
        await made.close()
        assert embedder.cancelled == 1
        assert embedder.calls == [["a"]]

    run(main)


@pytest.mark.parametrize(
    "values", [[], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e39, 1.0], ["1"], [None], [[1.0]]]
)
def test_what_is_no_direction_is_no_vector(values: list[Any]) -> None:
    with pytest.raises(NotEmbedded):
        unit_vector(values)


def test_vectors_have_length_1() -> None:
    assert struct.unpack("<2f", unit_vector([3.0, 4.0])) == pytest.approx((0.6, 0.8))
    assert struct.unpack("<2f", unit_vector([1e-20, 0.0])) == (1.0, 0.0)
    assert unit_vector([0.6, 0.8]) == struct.pack("<2f", 0.6, 0.8), "as it came, where it is so already"

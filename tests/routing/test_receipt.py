"""The receipt in a record: what is written is read, within its bytes, and what had no room is counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.records import ErrorKind
from gateway.routing import receipt
from gateway.routing.receipt import CAUSES, ENDS, MOST_BYTES, MOST_MS, PASSED, WHYS, Receipt, Step, pack, receipt_in
from gateway.serving import STRATEGIES

ASKED = sorted(set(WHYS) - {PASSED})
REASONS = [
    receipt.EJECTED, receipt.FULL, receipt.THROTTLED, receipt.RESTING, receipt.NO_TOKEN, receipt.NO_KEY, receipt.UNABLE,
    receipt.LIMITED
]  # fmt: skip
results = st.sampled_from([*CAUSES.values(), receipt.LOST, "failed"]) | st.integers(100, 599).map(str)
steps = st.lists(
    st.builds(Step, st.sampled_from(ASKED), st.integers(0, 10**6), results, st.integers(0, MOST_MS))
    | st.builds(Step, st.just(PASSED), st.integers(0, 10**6), st.sampled_from(REASONS), st.just(-1)),
    max_size=40,
)
ends = st.sampled_from(["", *ENDS])


@given(steps, ends)
@example([], "budget")
@example([Step("hash", 10**30, "503", MOST_MS)] * 3, "")
def test_what_is_written_is_read(given_steps: list[Step], end: str) -> None:
    packed = pack(given_steps, end)
    assert len(packed) <= MOST_BYTES
    assert packed.isascii()
    assert packed.decode().isprintable()
    found = receipt_in(packed.decode()) or Receipt([], 0, "")
    assert found.end == end
    assert len(found.steps) + found.left_out == len(given_steps)
    rest = iter(given_steps)
    assert all(step in rest for step in found.steps), "in their order"
    if found.left_out:
        each = [len(pack([step], "")) + 1 for step in given_steps]
        assert sum(each) + (3 if end else 0) - 1 > MOST_BYTES, "only for want of room"


def test_what_was_passed_over_gives_way() -> None:
    passed = [Step(PASSED, index, "ejected") for index in range(20)]
    text = pack([*passed, Step("fallback", 20, "200", 41)], "").decode()
    found = receipt_in(text)
    assert found is not None
    assert found.steps[-1] == Step("fallback", 20, "200", 41)
    assert found.steps[:-1] == passed[: len(found.steps) - 1]
    assert found.left_out == 21 - len(found.steps)


def test_as_it_looks() -> None:
    steps = [Step("weighted", 0, "503", 132), Step(PASSED, 1, "ejected"), Step("fallback", 2, "timeout", 2000)]
    assert pack(steps, "attempts") == b"w0:503/132 -1:ejected f2:timeout/2000 =a"


@pytest.mark.parametrize("text", ["Z0:200/1", "w0:200/1 something", "w:200 +x", "=", "\ufffd", " "])
def test_what_another_program_wrote_is_no_fault(text: str) -> None:
    assert receipt_in(text) is not None


def test_a_longer_time_is_the_longest() -> None:
    assert pack([Step("only", 0, "total", 10**12)], "") == b"u0:total/9999999"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    found = receipt_in(text)
    assert (found is None) == (text == "")


def test_letters_and_words_tell_apart() -> None:
    """A record has nothing else to tell them by; the header field needs tokens of RFC 9651."""
    assert len(set(WHYS.values())) == len(WHYS)
    assert len(set(ENDS.values())) == len(ENDS)
    assert set(STRATEGIES) <= set(WHYS)
    words = [*WHYS, *ENDS, *CAUSES.values(), *REASONS, receipt.CONDITION, receipt.LOST]
    assert all(re.fullmatch("[a-z][a-z-]*", word) for word in words)
    assert len(set(CAUSES.values())) == len(CAUSES)
    assert set(CAUSES) <= set(ErrorKind)

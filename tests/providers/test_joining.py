"""Two streams as one answer, however both are cut."""

from __future__ import annotations

import random

import pytest

from providers.joining import Joiner, Said, Seam, added
from providers.neutral import (
    Citation,
    Collector,
    Done,
    Ended,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Start,
    Text,
    ToolCall,
    Usage,
)


def told(texts: list[str], *, first: bool = False) -> list[Event]:
    """A whole stream of one text."""
    parts = [PartDelta(0, 0, text) for text in texts]
    end: list[Event] = [PartEnd(0, 0), Ended(0, "stop"), Usage(3, 2), Done()]
    return [Start("id-1" if first else "id-2", "m"), PartStart(0, 0, Text()), *parts, *end]


def joined(first: list[Event], second: list[Event], seam: Seam, before: Usage | None = None) -> Collector:
    """What a caller gets of both; raises Malformed when that is no stream."""
    said = Said()
    for event in first:
        said.add(event)
    collected = Collector("test")
    for event in [*first, *Joiner(said, seam, before).join(second)]:
        collected.add(event)
    assert said.text == "".join(part.text for part in collected.answer.choices[0].parts if isinstance(part, Text))
    return collected


def in_pieces(text: str, dice: random.Random) -> list[str]:
    pieces = []
    while text:
        size = dice.randrange(1, 6)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("seed", range(300))
def test_the_text_is_that_of_both_wherever_the_cut_falls(seed: int) -> None:
    """A provider that may repeat the beginning and may begin with the white space that was left out."""
    dice = random.Random(seed)
    whole = "".join(dice.choice(["a", "b ", "\n\n", " ", "\u00e9", "\U0001f600"]) for _ in range(40)) + "."
    at = dice.randrange(1, len(whole))
    said, rest = whole[:at], whole[at:]
    prefill = said.rstrip() if dice.random() < 0.5 and said.strip() else said
    trimmed = said[len(prefill) :]
    echoes = dice.random() < 0.5
    repeats = echoes and dice.random() < 0.7
    answered = (prefill if repeats else "") + trimmed + rest
    if echoes and not repeats and answered.startswith(prefill):
        return  # nobody can tell
    first = told(in_pieces(said, dice), first=True)[: -dice.choice([3, 4])]
    collected = joined(first, told(in_pieces(answered, dice)), Seam(prefill, trimmed, echoes))
    (choice,) = collected.answer.choices
    assert "".join(part.text for part in choice.parts if isinstance(part, Text)) == whole
    assert (choice.finish, collected.done, collected.answer.id) == ("stop", True, "id-1")


def test_text_that_only_looks_like_the_beginning_is_kept() -> None:
    seam = Seam("Hello", "", True)
    assert [seam.new(text) for text in ("He", "l", "p!")] == ["", "", "Help!"]
    cut = Seam("Hello", "", True)
    assert (cut.new("Hel"), cut.rest(), cut.new("x")) == ("", "Hel", "x")


def test_white_space_that_was_left_out_is_not_said_twice() -> None:
    for answer, wanted in (([" ", "\n", "b"], "b"), (["b"], "b"), ([" b"], "b"), (["\n"], "\n")):
        seam = Seam("a", " \n", False)
        assert "".join(seam.new(text) for text in answer) == wanted


def test_thoughts_about_going_on_are_not_shown() -> None:
    second: list[Event] = [Start("x"), PartStart(0, 0, Reasoning()), PartDelta(0, 0, "hm"), PartEnd(0, 0)]
    second += [PartStart(0, 1, Text()), PartDelta(0, 1, "b"), PartEnd(0, 1), Ended(0, "stop"), Done()]
    collected = joined(told(["a"], first=True)[:3], second, Seam("a", "", False))
    assert collected.answer.choices[0].parts == [Text("ab")]


def test_what_comes_behind_the_text_has_its_own_part() -> None:
    call: list[Event] = [PartStart(0, 1, ToolCall("1", "f")), PartDelta(0, 1, "{}"), PartEnd(0, 1)]
    second = [*told(["b"])[:-3], *call, Ended(0, "tool_calls"), Done()]
    collected = joined(told(["a"], first=True)[:3], second, Seam("a", "", False))
    assert collected.answer.choices[0].parts == [Text("ab"), ToolCall("1", "f", "{}")]
    # A call at once: the text, which is open, ends before it.
    at_once: list[Event] = [Start(), PartStart(0, 0, ToolCall("1", "f")), PartEnd(0, 0), Ended(0, "tool_calls"), Done()]
    events = Joiner(_heard(told(["a"], first=True)[:3]), Seam("a", "", False), None).join(at_once)
    assert [type(event).__name__ for event in events] == ["PartEnd", "PartStart", "PartEnd", "Ended", "Done"]


def _heard(events: list[Event]) -> Said:
    said = Said()
    for event in events:
        said.add(event)
    return said


def test_an_answer_without_a_word_ends_what_was_open() -> None:
    events = Joiner(_heard(told(["a"], first=True)[:3]), Seam("a", "", False), None).join([Ended(0, "stop"), Done()])
    assert events == [PartEnd(0, 0), Ended(0, "stop"), Done()]


def test_usage_is_that_of_all_attempts() -> None:
    collected = joined(told(["a"], first=True)[:3], told(["b"]), Seam("a", "", False), Usage(10, 1, cached_tokens=4))
    assert collected.answer.usage == Usage(13, 3, cached_tokens=4)
    assert added(Usage(1, 2, total=5), Usage(3, 4, total=9)).total_tokens == 14


@pytest.mark.parametrize(
    "event",
    [
        PartStart(0, 0, ToolCall("1", "f")),
        PartStart(0, 0, Reasoning()),
        PartStart(1, 0, Text()),
        PartDelta(0, 0, "", citation=Citation("http://example.com")),
        PartDelta(0, 0, "a", logprobs={"content": []}),
    ],
)
def test_what_is_more_than_a_text_is_not_plain(event: Event) -> None:
    assert not _heard([event]).plain
    assert not _heard([Start(), event]).ended


def test_what_was_said_can_be_told_in_short() -> None:
    first = told(["a", "b", "c"], first=True)
    assert _heard(first[:5]).retold() == [Start("id-1", "m"), PartStart(0, 0, Text()), PartDelta(0, 0, "abc")]
    assert _heard(first[:6]).retold()[-1] == PartEnd(0, 0)
    assert _heard(first[:1]).retold() == [Start("id-1", "m")]

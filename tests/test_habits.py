"""What a request is foreseen to take: never far below what such requests took."""

from __future__ import annotations

import random

from gateway.habits import FIRST_OUTPUT, Habit, longest


def test_before_anything_was_seen() -> None:
    habit = Habit()
    assert habit.prompt(4000) == 1000
    assert habit.completion() == FIRST_OUTPUT
    assert Habit(100).completion() == 100


def test_the_longest_answer_is_what_the_facts_say() -> None:
    facts = b'{"a":{"max_output":4096},"b":{},"c":{"max_output":null}}'
    assert [longest(facts, model) for model in ("a", "b", "c", "d", "")] == [4096, 0, 0, 0, 0]
    assert longest(b"", "a") == 0


def test_it_follows_what_is_asked_and_stays_above_it() -> None:
    """Bodies of which a token is two to four bytes, in no order."""
    habit, chance, below = Habit(), random.Random(1), 0
    for number in range(2000):
        size = chance.randrange(200, 20_000)
        prompt = int(size / chance.uniform(2, 4))
        if number > 50:
            below += habit.prompt(size) < prompt
            assert habit.prompt(size) < 2.5 * prompt + 50
        habit.learn(size, prompt, 100)
    assert below < 2000 * 0.1


def test_no_token_is_shorter_than_a_byte() -> None:
    habit = Habit()
    for _ in range(20):
        habit.learn(100, 5000, 1)
    assert habit.prompt(100) == 100


def test_long_answers_are_foreseen() -> None:
    habit = Habit()
    for _ in range(200):
        habit.learn(1000, 250, 3000)
    assert habit.completion() == 6000
    for _ in range(200):
        habit.learn(1000, 250, 10)
    assert habit.completion() == FIRST_OUTPUT


def test_what_says_nothing_teaches_nothing() -> None:
    habit = Habit()
    habit.learn(0, 10, 10)
    habit.learn(10, 0, 10)
    assert (habit.seen, habit.prompt(4000)) == (0, 1000)

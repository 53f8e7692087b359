"""Price lists in the snapshot, and files that are broken, gone or older than what is in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.snapshot.prices import price_lists

GOOD = {"taken": "2026-11-25", "models": {"m": {"prices": {"input": "1", "output": "2"}, "context": 5, "names": ["n"]}}}
MONEY = {"taken": "2026-11-25", "models": {"m": {"prices": {"input": "1", "output": "2"}, "names": ["n"]}}}


def write(home: Path, **changes: object) -> None:
    (home / "groq.json").write_text(json.dumps({**GOOD, **changes}))


def test_a_list_has_what_is_about_money(tmp_path: Path) -> None:
    write(tmp_path)
    lists, told = price_lists(["groq", "ollama"], {}, tmp_path)
    assert {file: json.loads(text) for file, text in lists.items()} == {"groq": MONEY}
    assert told == [], "not every vendor has a list"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be used: Input data was truncated"),
        ("[]", "cannot be used: Expected `object`"),
        (
            json.dumps({**GOOD, "models": {"m": {"prices": {"input": "-1"}}}}),
            "cannot be used: m: '-1' is no price in USD",
        ),
        (json.dumps({**GOOD, "models": {"m": {"prices": {"input": 1}}}}), "cannot be used: m: "),
        (
            json.dumps({**GOOD, "models": {"m": {"later": [{"prices": {"output": "x"}}]}}}),
            "cannot be used: m: 'x' is no",
        ),
        (json.dumps({**GOOD, "taken": "2026-11-24"}), "is of 2026-11-24, and the one in force of 2026-11-25"),
        (None, "is gone"),
    ],
)
def test_the_last_good_list_stays_and_the_operator_is_told(tmp_path: Path, text: str | None, reason: str) -> None:
    write(tmp_path)
    before, _ = price_lists(["groq"], {}, tmp_path)
    if text is None:
        (tmp_path / "groq.json").unlink()
    else:
        (tmp_path / "groq.json").write_text(text)
    lists, told = price_lists(["groq"], before, tmp_path)
    assert lists == before
    (line,) = told
    assert line.startswith(f"price list {tmp_path}/groq.json {reason}")
    assert line.endswith("; the one in force stays")


def test_a_newer_list_takes_over(tmp_path: Path) -> None:
    write(tmp_path)
    before, _ = price_lists(["groq"], {}, tmp_path)
    write(tmp_path, taken="2026-11-26", models={})
    lists, told = price_lists(["groq"], before, tmp_path)
    assert (json.loads(lists["groq"]), told) == ({"taken": "2026-11-26", "models": {}}, [])


def test_without_a_good_one_the_prices_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "groq.json").write_text("{")
    lists, told = price_lists(["groq"], {}, tmp_path)
    assert lists == {}
    assert told[0].endswith("; the prices of its models are unknown")

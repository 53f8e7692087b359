"""Every feature from every dialect to every other is what the golden files say."""

from __future__ import annotations

import json

import pytest

from tests.providers.dialects import write_golden

FILES = write_golden.files()


@pytest.mark.parametrize("file", FILES)
def test_it_is_what_the_file_says(file: str) -> None:
    kept = (write_golden.HOME / file).read_text()
    assert json.loads(FILES[file]) == json.loads(kept), "run: python -m tests.providers.dialects.write_golden"


def test_no_file_is_left_over() -> None:
    assert {path.name for path in write_golden.HOME.glob("*.json")} == set(FILES)

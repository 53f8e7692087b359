"""The catalogue of promises.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Promise(NamedTuple):
    """One figure."""

    about: str
    accepted: str
    """What a measurement must show."""


GROUPS: Mapping[str, str] = {
    "B": "Providers that fail",
    "C": "Streams",
    "D": "Overload",
    "E": "Processes",
    "F": "What must last",
    "G": "Accounting and limits",
    "H": "Secrets and authorisation",
    "I": "Administration",
}

PROMISES: Mapping[str, Promise] = {
    name: Promise(**row) for name, row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text()).items()
}

"""The fault matrix as data: what a caller sees of each fault, and how many upstream calls it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is promised, or what was seen."""

    seen: str
    """``200``: a whole answer, which is the provider's; another status: an error in the caller's dialect. Of a stream
    that began, ``error event``: it ends with one; ``as sent``: an event is no JSON, as the provider sent it."""
    trouble: int
    """Calls that the provider with the fault took."""
    spare: int
    """Calls that the fallback took."""

    @classmethod
    def read(cls, text: str) -> Cell:
        """``502 2+0``. Raises ValueError."""
        seen, _, calls = text.rpartition(" ")
        trouble, _, spare = calls.partition("+")
        return cls(seen, int(trouble), int(spare))

    def __str__(self) -> str:
        return f"{self.seen} {self.trouble}+{self.spare}"


Cells = dict[tuple[str, bool], Cell]
"""(kind of call, has a fallback) -> cell."""

Pair = Annotated[list[str], msgspec.Meta(min_length=2, max_length=2)]
"""Without a fallback, with one."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fault."""

    fault: str
    """As ``gateway.faults.reading.fault`` reads it; several with blanks between them; empty: none."""
    what: str
    warm: bool = False
    """A call without the fault comes first, so that a connection is kept."""
    plain: Pair
    stream: Pair
    translated: Pair | None = None
    """A stream that an OpenAI client asks for and Anthropic's API answers."""

    def promised(self) -> Cells:
        """Every cell of the row."""
        kinds = {"plain": self.plain, "stream": self.stream, "translated": self.translated}
        pairs = {kind: pair for kind, pair in kinds.items() if pair is not None}
        return {(kind, bool(backed)): Cell.read(pair[backed]) for kind, pair in pairs.items() for backed in (0, 1)}


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    configuration: dict[str, Any]
    """Sections of the gateway's that the cells depend on."""
    groups: dict[str, list[Row]]

    @property
    def rows(self) -> list[Row]:
        return [row for rows in self.groups.values() for row in rows]


def load() -> Matrix:
    """The matrix. Raises msgspec.ValidationError or ValueError."""
    return msgspec.convert(yaml.safe_load(FILE.read_text()), Matrix)

"""What became of every setting of an imported file. Values are never in it: they may be secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.config.problems import Path, dotted


class Fate(Enum):
    """What became of a setting."""

    CARRIED = "carried over"
    CHANGED = "carried over with a difference"
    MISSING = "without an equivalent"


@dataclass(frozen=True, slots=True)
class Row:
    """One leaf of the source."""

    path: Path
    fate: Fate
    to: str
    """Where it stands now; empty for nowhere."""
    note: str
    """The difference, or why there is nothing like it."""
    group: Path
    """The member that was judged as one, of which this leaf is a part."""


@dataclass
class Report:
    """All rows in the order in which they were judged."""

    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What concerns no single setting: variables to be set, secrets that stand in clear."""

    def carried(self, path: Path, value: Any, to: str) -> None:
        self._say(path, value, Fate.CARRIED, to, "")

    def changed(self, path: Path, value: Any, to: str, note: str) -> None:
        self._say(path, value, Fate.CHANGED, to, note)

    def missing(self, path: Path, value: Any, note: str) -> None:
        self._say(path, value, Fate.MISSING, "", note)

    def remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def forget(self, path: Path) -> None:
        """What was said of a setting is to be said anew."""
        self.rows = [row for row in self.rows if row.group != path]

    def _say(self, path: Path, value: Any, fate: Fate, to: str, note: str) -> None:
        self.rows += [Row(leaf, fate, to, note, path) for leaf, _value in leaves(value, path)]

    @property
    def complete(self) -> bool:
        """Whether everything has an equivalent."""
        return all(row.fate is not Fate.MISSING for row in self.rows)

    def count(self, fate: Fate) -> int:
        return sum(row.fate is fate for row in self.rows)

    def text(self) -> str:
        """For people: what has no equivalent first. Leaves that were judged together are one line."""
        lines = []
        for fate in reversed(Fate):
            grouped: dict[tuple[Path, str, str], int] = {}
            for row in self.rows:
                if row.fate is fate:
                    key = (row.group, row.to, row.note)
                    grouped[key] = grouped.get(key, 0) + 1
            if not grouped:
                continue
            lines.append(f"{fate.value} ({self.count(fate)})")
            for (path, to, note), count in grouped.items():
                more = f" ({count} values)" if count > 1 else ""
                arrow = f" -> {to}" if to else ""
                lines.append(f"  {dotted(path)}{more}{arrow}{': ' if note else ''}{note}")
            lines.append("")
        if self.remarks:
            lines += ["remarks", *(f"  {remark}" for remark in self.remarks), ""]
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: ``{"settings": [{"path", "fate", "to", "note"}], "remarks": [...], "counts": {...}}``."""
        return json.dumps(
            {
                "settings": [
                    {"path": dotted(row.path), "fate": row.fate.name.lower(), "to": row.to, "note": row.note}
                    for row in self.rows
                ],
                "remarks": self.remarks,
                "counts": {fate.name.lower(): self.count(fate) for fate in Fate},
            },
            indent=1,
        )


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The leaves of a document and their paths; an empty mapping or list is one."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, (*path, str(name)))
    elif isinstance(value, list) and value:
        for i, member in enumerate(value):
            yield from leaves(member, (*path, i))
    else:
        yield path, value

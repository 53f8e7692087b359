"""What is wrong with a configuration: where it stands, what it is, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way from the top of the document: member names and list positions."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``path`` is resolved to a line by the loader when ``line`` is 0."""

    path: Path
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    warning: bool = False
    """Said, but the configuration is used."""

    def render(self, source: str) -> str:
        """``file:line:column: path: message; hint``, on one line."""
        place = f"{source}:{self.line}:{self.column}" if self.line else source
        parts = [place]
        if self.warning:
            parts.append("warning")
        if self.path:
            parts.append(dotted(self.path))
        text = ": ".join([*parts, self.message])
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is known to be wrong with it."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(p.render(source) for p in self.problems))


def dotted(path: Path) -> str:
    """``providers.mock.keys[0].value``."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif out:
            out += f".{step}"
        else:
            out = step
    return out


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean X?``, or an empty string when nothing known is near."""
    names = sorted(known)
    folded = {n.lower().replace("-", "_"): n for n in names}
    near = folded.get(name.lower().replace("-", "_"))
    if near is None:
        found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        near = found[0] if found else None
    return f"did you mean {near}?" if near is not None and near != name else ""


def listed(names: Iterable[str]) -> str:
    """What there is instead of a name that nothing is near to."""
    first = ", ".join(sorted(names)[:8])
    return f"there is: {first}" if first else "none is configured"

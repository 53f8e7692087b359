"""How settings are told apart: tables of rules, one for each section of the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.cli.importing.draft import Draft
from gateway.cli.importing.report import Report
from gateway.config.problems import Path, dotted

Rule = Callable[["Job", Path, Any], None]
"""Takes one setting over, and reports what became of it and of everything below it."""
Table = Mapping[str, Rule]
Convert = Callable[[Any], Any]
"""Raises ValueError, in words for the report, for what has no equivalent."""


class Job:
    """One import under way."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.draft = Draft()
        self.report = Report()


def walk(job: Job, table: Table, section: Any, path: Path, unknown: str = "nothing like it is known here") -> None:
    """Every member of ``section`` by its rule; what the table does not name is reported as lost."""
    if not isinstance(section, dict) or not section:
        job.report.missing(path, section, "says nothing" if not section else "a mapping was expected here")
        return
    for name, value in section.items():
        here = (*path, str(name))
        rule = table.get(str(name))
        if rule is None:
            job.report.missing(here, value, unknown)
        else:
            attempt(job, here, value, rule)


def attempt(job: Job, path: Path, value: Any, rule: Rule) -> bool:
    """Take ``value`` over by a rule; what has a form that nobody foresaw is reported as lost, whole. Returns whether
    it was not."""
    told = len(job.report.rows)
    try:
        rule(job, path, value)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        del job.report.rows[told:]
        said = str(error) if isinstance(error, ValueError) else "it is of another kind than expected"
        job.report.missing(path, value, f"it cannot be read: {said}")
        return False
    return True


REDACTED = "what looks like a secret is blotted out before it is stored: docs/request-log.md"
"""Of the policy that says whether the log keeps what was said."""


def put(*to: str, by: Convert = lambda value: value, note: str = "") -> Rule:
    """Stands at ``to`` from now on, converted; with a ``note`` it is no longer quite the same."""

    def rule(job: Job, path: Path, value: Any) -> None:
        try:
            converted = by(value)
        except ValueError as error:
            job.report.missing(path, value, str(error))
            return
        job.draft.put(to, converted)
        if note:
            job.report.changed(path, value, dotted(to), note)
        else:
            job.report.carried(path, value, dotted(to))

    return rule


def lost(note: str) -> Rule:
    """There is nothing like it."""

    def rule(job: Job, path: Path, value: Any) -> None:
        job.report.missing(path, value, note)

    return rule


def unneeded(note: str) -> Rule:
    """What it is for holds here without a setting."""

    def rule(job: Job, path: Path, value: Any) -> None:
        job.report.changed(path, value, "", note)

    return rule


def below(table: Table) -> Rule:
    """A section with a table of its own."""

    def rule(job: Job, path: Path, value: Any) -> None:
        walk(job, table, value, path)

    return rule


def whole(value: Any) -> int:
    """A whole number, however it was written."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError("no number") from None
    if number != int(number):
        raise ValueError("no whole number")
    return int(number)


def seconds(value: Any) -> str:
    """A number of seconds as times are written here."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number of seconds")
    try:
        number = float(value)
    except ValueError:
        raise ValueError("no number of seconds") from None
    if not 0 <= number <= 1e9:
        raise ValueError("no time that can be waited for")
    return f"{number * 1000:g}ms" if 0 < number < 1 else f"{number:g}s" if number < 1e6 else f"{int(number)}s"


def yes_or_no(value: Any) -> bool:
    """A truth value, also as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("neither true nor false")

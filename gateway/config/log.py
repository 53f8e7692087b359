"""The section ``log``: log lines, and what the request log keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.patterns import mistake_in
from gateway.config.problems import Problem
from gateway.config.units import Duration, Size

LogPolicy = Literal["off", "metadata", "full"]
BuiltIn = Literal["keys", "email", "card", "iban", "phone"]
BUILT_IN: tuple[BuiltIn, ...] = ("keys", "email", "card", "iban", "phone")
MOST_PATTERNS = 32
MOST_CONTENT = 1 << 20


class RollupsEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long the figures of each minute, and of each hour and day, are kept: dashboard.md."""

    minutes: Annotated[Duration | None, Meta(description="At least 2h.")] = None
    hours: Annotated[Duration | None, Meta(description="Also days.")] = None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Log lines (level, format) and the request log."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Meta(description="Of log lines; --log-level goes before it."),
    ] = None
    format: Annotated[
        Literal["text", "json"] | None, Meta(description="Of log lines; MICROGATE_LOG_FORMAT goes before it.")
    ] = None
    retention: Annotated[Duration | None, Meta(description="How long rows of the request log are kept.")] = None
    rollups: RollupsEntry = RollupsEntry()
    content: Annotated[
        LogPolicy | None,
        Meta(
            description="What the request log keeps of requests whose key says nothing else: off: no row; metadata: "
            "a row; full: what was asked and answered too."
        ),
    ] = None
    content_max: Annotated[
        Size | None, Meta(description="Of what was asked, and of what was answered; the rest is left out.")
    ] = None
    content_retention: Annotated[
        Duration | None, Meta(description="How long what was said is kept, and never longer than its row.")
    ] = None
    redact: Annotated[
        list[BuiltIn] | None,
        Meta(description="What is blotted out of what was said before it is stored. Empty: none of these."),
    ] = None
    redact_patterns: Annotated[
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=MOST_PATTERNS)] | None,
        Meta(description="Regular expressions of your own, whose repetitions are bounded: {1,64} and no + or *."),
    ] = None
    redact_fields: Annotated[
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=MOST_PATTERNS)] | None,
        Meta(description="Members of JSON objects whose values are left out, whatever they hold."),
    ] = None


def judge(log: LogEntry) -> Iterator[Problem]:
    for i, pattern in enumerate(log.redact_patterns or ()):
        if mistake := mistake_in(pattern):
            yield Problem(("log", "redact_patterns", i), mistake)
    if log.content_max is not None and not 1024 <= log.content_max <= MOST_CONTENT:
        yield Problem(("log", "content_max"), "must be between 1KiB and 1MiB")

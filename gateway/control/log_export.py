"""The request log as a file: comma-separated values, or a JSON document a line.

It is read page by page while it is sent, so that a month of rows takes no more memory than a page. Whoever asks for it
may go away at any time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from gateway.control.log_entries import LogEntry, entry_of
from gateway.control.log_reading import LogReading
from gateway.stores.log_query import LogQuery
from gateway.stores.protocols import LogPage

Format = Literal["csv", "jsonl"]
FORMATS = {"csv": ("text/csv", "requests.csv"), "jsonl": ("application/jsonl", "requests.jsonl")}
"""Media type, and what the file is called."""

AT_ONCE = 2
"""Exports under way; each keeps a reading thread busy most of the time."""

PAGE_ROWS = 500
"""Some 300 KiB of the file, and 30 ms of work."""

RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection")."""

_FIELDS = LogEntry.__struct_fields__


class TooManyExports(Exception):
    """Others are being sent; the message is for whoever asks."""


async def exported(
    reading: LogReading, query: LogQuery, form: Format, names: Mapping[int, str]
) -> AsyncIterator[bytes]:
    """The file in pieces; its first page is read before this returns. Raises TooManyExports, StoreUnavailable."""
    if reading.exports >= AT_ONCE:
        raise TooManyExports(f"{AT_ONCE} exports are under way; try again when one has ended")
    reading.exports += 1
    try:
        query = msgspec.structs.replace(query, limit=PAGE_ROWS, cursor=None)
        page = await reading.page(query)
    except BaseException:
        reading.exports -= 1
        raise
    return _Pieces(reading, query, form, names, page)


class _Pieces:
    """An iterator that gives its place back however it ends, also when nobody has asked it for anything."""

    def __init__(
        self, reading: LogReading, query: LogQuery, form: Format, names: Mapping[int, str], page: LogPage
    ) -> None:
        self._reading: LogReading | None = reading
        self._pieces = _sent(reading, query, form, names, page)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except BaseException:
            self._free()
            raise

    def _free(self) -> None:
        if self._reading is not None:
            self._reading.exports -= 1
            self._reading = None

    def __del__(self) -> None:
        self._free()


async def _sent(
    reading: LogReading, query: LogQuery, form: Format, names: Mapping[int, str], page: LogPage
) -> AsyncIterator[bytes]:
    if form == "csv":
        yield ",".join(_FIELDS).encode() + b"\r\n"
    while True:
        rows = page.rows
        if rows:
            yield await reading.run(partial(written, (entry_of(row, names) for row in rows), form))
        if page.next is None:
            return
        page = await reading.page(msgspec.structs.replace(query, cursor=page.next))


def written(entries: Iterable[LogEntry], form: Format) -> bytes:
    """Lines of the file."""
    if form == "jsonl":
        return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    text = io.StringIO()
    rows = csv.writer(text)
    for entry in entries:
        rows.writerow([_cell(getattr(entry, field)) for field in _FIELDS])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = value
        case list():
            text = " ".join(map(str, value))
        case msgspec.Struct():
            text = str(getattr(value, "text", ""))
        case _:
            # Numbers and times; none is negative.
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(RISKY) else text

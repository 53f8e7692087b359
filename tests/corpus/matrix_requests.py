"""Every recorded request, written for providers of every other dialect, against the types of the provider's own SDK."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from providers.dialects import base, load
from providers.neutral import Losses, Malformed, Unsupported
from tests.corpus.dialect_rows import Row, rows
from tests.corpus.matrix import Cell
from tests.corpus.readout.requests import VALID


def candidates(source: str) -> Iterator[Row]:
    for row in rows(source):
        if row.request is not None and row.status < 400:
            yield row


def run(source: str, target: str) -> tuple[Cell, int]:
    """The cell, and how many requests cannot be said at all and are refused by name."""
    cell, refused = Cell(), 0
    for row in candidates(source):
        try:
            asked = load(source).decode_request(row.request or {}, model="the-model", stream=row.streaming)
            body = load(target).encode_request(asked, base.Facts("the-model", "", True), Losses())
        except (Malformed, Unsupported):
            refused += 1
            continue
        cell.checked += 1
        try:
            VALID[target](orjson.loads(orjson.dumps(body)))
        except ValueError as error:
            cell.unequal.append(f"{row.id} {row.provider}: {' '.join(str(error).split())[:400]}")
        else:
            cell.equal += 1
    return cell, refused

"""Rows that wait for the ledger are there after whatever happens."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import pytest

from gateway.stores.ledger import LedgerRow
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import StoreUnavailable
from tests.stores.ledger_rows import entry


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger")


def drained(spool: LedgerSpool) -> list[LedgerRow]:
    found: list[LedgerRow] = []
    while waiting := spool.next():
        found += waiting[0]
        spool.posted(waiting[1])
    return found


def batches(count: int) -> list[list[LedgerRow]]:
    return [[entry(10 * number + each) for each in range(3)] for number in range(count)]


def test_rows_come_back_in_order_and_the_file_is_emptied(path: str) -> None:
    spool = LedgerSpool(path)
    assert spool.next() is None
    for rows in batches(5):
        spool.append(rows)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert spool.waiting_bytes == os.path.getsize(path)
    assert drained(spool) == list(chain(*batches(5)))
    assert (spool.waiting_bytes, os.path.getsize(path)) == (0, 0)
    spool.append([entry(1)])
    assert drained(spool) == [entry(1)]


def test_a_successor_finds_them_all_those_that_were_posted_too(path: str) -> None:
    spool = LedgerSpool(path)
    for rows in batches(3):
        spool.append(rows)
    waiting = spool.next()
    assert waiting is not None
    spool.posted(waiting[1])
    assert drained(LedgerSpool(path)) == list(chain(*batches(3)))


def test_cut_anywhere_the_whole_frames_are_kept_and_written_behind(path: str) -> None:
    spool = LedgerSpool(path)
    sizes = [0]
    for rows in batches(3):
        spool.append(rows)
        sizes.append(spool.waiting_bytes)
    whole = Path(path).read_bytes()
    for length in range(len(whole)):
        Path(path).write_bytes(whole[:length])
        kept = max(place for place, size in enumerate(sizes) if size <= length)
        again = LedgerSpool(path)
        again.append([entry(99)])
        assert drained(LedgerSpool(path)) == [*chain(*batches(kept)), entry(99)]


def test_a_full_spool_and_a_full_disk_keep_nothing_of_the_batch(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = LedgerSpool(path, max_bytes=400)
    spool.append([entry(1)])
    with pytest.raises(StoreUnavailable, match="full"):
        spool.append([entry(number) for number in range(2, 9)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: 7)
        with pytest.raises(StoreUnavailable, match="no space"):
            spool.append([entry(2)])
    spool.append([entry(3)])
    assert drained(LedgerSpool(path)) == [entry(1), entry(3)]


def test_damage_in_the_middle_is_told_and_not_passed_over(path: str) -> None:
    spool = LedgerSpool(path)
    for rows in batches(3):
        spool.append(rows)
    with open(path, "r+b") as file:
        file.seek(spool.waiting_bytes // 2)
        file.write(b"\xff\xff")
    waiting = spool.next()
    assert waiting is not None
    spool.posted(waiting[1])
    with pytest.raises(StoreUnavailable, match="damaged"):
        spool.next()


def test_what_waits_can_be_read_and_stays(path: str) -> None:
    spool = LedgerSpool(path)
    assert list(spool.waiting()) == []
    for rows in batches(4):
        spool.append(rows)
    assert list(spool.waiting()) == batches(4)
    first = spool.next()
    assert first is not None
    spool.posted(first[1])
    assert list(spool.waiting()) == batches(4)[1:]
    # A successor does not know how far that came, and the ledger leaves out what it has.
    assert list(LedgerSpool(path).waiting()) == batches(4)
    assert drained(spool) == list(chain(*batches(4)[1:]))

"""From the workers' files to the log: once, whatever is killed when; what cannot be read keeps nothing up."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec
import pytest

from gateway.config.loader import loads
from gateway.control.content_feed import ContentFeed
from gateway.control.log_choice import LogChoice, choice_of
from gateway.control.trail import signed
from gateway.records import Flags
from gateway.snapshot.content import Content, packed
from gateway.snapshot.model import id_hash
from gateway.stores.contents import StoredContent
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_log import SqliteLog
from tests.stores.rows import row


def content(number: int) -> Content:
    return Content(
        request_id=number.to_bytes(16, "big"),
        started_us=number * 1_000_000,
        request=b'{"a":"b"}',
        response=b"plain",
        media_type="text/plain",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shm"
    made.mkdir()
    return made


def put(folder: Path, at: int, *numbers: int, place: int = 0, dropped: int = 0) -> Path:
    path = folder / f"content-{place}-{at:020d}"
    path.write_bytes(packed(list(map(content, numbers)), dropped))
    return path


def test_files_are_taken_in_their_order_and_removed(folder: Path, store: SqliteLog) -> None:
    put(folder, 2, 3, 4, place=0, dropped=7)
    put(folder, 1, 1, 2, place=12)
    (folder / "ring-0").write_bytes(b"none of these")
    feed = ContentFeed(str(folder), store)
    assert feed.take() == 2
    assert (feed.stored, feed.dropped, os.listdir(folder)) == (4, 7, ["ring-0"])
    assert feed.take() == 0
    found = store.content(content(3).request_id, 3_000_000)
    assert found is not None
    assert (found.request, found.response) == ('{"a":"b"}', "plain")


def test_a_file_that_was_stored_and_not_removed_is_stored_once(folder: Path, store: SqliteLog) -> None:
    path = put(folder, 1, 1, 2)
    again = path.read_bytes()
    feed = ContentFeed(str(folder), store)
    feed.take()
    path.write_bytes(again)
    feed.take()
    assert feed.stored == 2


def test_what_the_log_refuses_waits(folder: Path, store: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, 1, 1)

    def refuse(_: list[StoredContent]) -> int:
        raise StoreUnavailable("the disk is full")

    feed = ContentFeed(str(folder), store)
    with monkeypatch.context() as patched:
        patched.setattr(store, "keep_contents", refuse)
        with pytest.raises(StoreUnavailable):
            feed.take()
    assert len(os.listdir(folder)) == 1
    assert feed.take() == 1
    assert feed.stored == 1


def test_what_can_never_be_stored_keeps_nothing_up(
    folder: Path, store: SqliteLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder, 1, 1, 2, 3)
    keep = store.keep_contents

    def fail(contents: list[StoredContent]) -> int:
        if any(each.request_id == content(2).request_id for each in contents):
            raise ValueError("canary of the text")
        return keep(contents)

    monkeypatch.setattr(store, "keep_contents", fail)
    feed = ContentFeed(str(folder), store)
    assert feed.take() == 1
    assert (feed.stored, feed.rejected, os.listdir(folder)) == (2, 1, [])
    assert "canary" not in caplog.text


def test_half_a_character_keeps_nothing_up(folder: Path, store: SqliteLog) -> None:
    one = msgspec.structs.replace(content(1), request=b'{"a":"\\ud800"}')
    (folder / f"content-0-{1:020d}").write_bytes(packed([one, content(2)], 0))
    feed = ContentFeed(str(folder), store)
    assert feed.take() == 1
    assert (feed.stored, feed.rejected, os.listdir(folder)) == (2, 0, [])


def test_a_file_that_cannot_be_opened_now_waits(
    folder: Path, store: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, 1, 1)
    feed = ContentFeed(str(folder), store)

    def no_more(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", no_more)
        with pytest.raises(OSError, match="open files"):
            feed.take()
    assert feed.take() == 1
    assert (feed.stored, feed.rejected) == (1, 0)


def test_what_cannot_be_read_keeps_nothing_up(
    folder: Path, store: SqliteLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder, 1, 1).write_bytes(b"\xc1 no frames of anybody's")
    put(folder, 2, 2, 3)
    feed = ContentFeed(str(folder), store)

    def fail(one: Content, redactor: object) -> StoredContent:
        if one.request_id == content(2).request_id:
            raise RuntimeError("canary of the text")
        return StoredContent(request_id=one.request_id, started_us=0, request="", response="")

    monkeypatch.setattr("gateway.control.content_feed.stored", fail)
    assert feed.take() == 2
    assert (feed.stored, feed.rejected) == (1, 2)
    assert "canary" not in caplog.text


def test_what_nobody_finishes_is_forgotten(folder: Path, store: SqliteLog) -> None:
    old, new = (folder / f"content-0-{at:020d}.new" for at in (1, 2))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (0, 0))
    assert ContentFeed(str(folder), store).take() == 0
    assert os.listdir(folder) == [new.name]


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (LogChoice(), [1, 2, 3]),
        (LogChoice(others=frozenset((8,))), [1, 3]),
        (LogChoice(usual=False), []),
        (LogChoice(usual=False, others=frozenset((8,))), [2]),
    ],
)
def test_which_records_become_rows(choice: LogChoice, kept: list[int]) -> None:
    rows = [row(1), row(2, virtual_key=8), row(3), row(4, flags=int(Flags.UNLOGGED))]
    values = [value for each in rows for value in each]
    sequences = [values[at + 2] for at in range(0, len(choice.of(values)), len(rows[0]))]
    assert len(sequences) == len(kept)
    assert choice.of(values) == [value for each in rows if each.sequence in kept for value in each]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (LogChoice(), [1, 2, 3]),
        (LogChoice(usual=False), [1, 2, 3]),
        (LogChoice(others=frozenset((8,)), silent=frozenset((8,))), [1, 3]),
        (LogChoice(usual=False, others=frozenset((9,)), silent=frozenset((8,))), [1, 3]),
    ],
)
def test_of_which_records_others_are_told(choice: LogChoice, told: list[int]) -> None:
    """The gateway's own log may be switched off; what caller and key want kept nowhere is told nobody."""
    rows = [row(1), row(2, virtual_key=8), row(3), row(4, flags=int(Flags.UNLOGGED))]
    values = [value for each in rows for value in each]
    assert choice.told(values) == [value for each in rows if each.sequence in told for value in each]


PROVIDERS = {"providers": {"p": {"vendor": "openai", "keys": [{"name": "k", "value": "sk-x"}]}}}


def test_a_choice_is_made_of_the_configuration() -> None:
    keys = [
        {"name": "quiet", "value": "mgk-" + "a" * 40, "log_content": "off"},
        {"name": "full", "value": "mgk-" + "b" * 40, "log_content": "full"},
        {"name": "usual", "value": "mgk-" + "c" * 40},
    ]
    quiet, full = (signed(id_hash(f"file:virtual_key/{name}")) for name in ("quiet", "full"))
    for content, others in (("metadata", {quiet}), ("off", {full})):
        config = loads(json.dumps({"virtual_keys": keys, "log": {"content": content}, **PROVIDERS}), "json").config
        assert choice_of(config) == LogChoice(content != "off", frozenset(others), frozenset({quiet}))

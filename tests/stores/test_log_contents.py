"""What was said, in every request log: once by the request's id, found by its words, gone when it is too old."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.stores.contents import StoredContent
from gateway.stores.log_query import LogQuery, Term, terms_in
from gateway.stores.protocols import LogLimits, LogStore, StoreUnavailable
from gateway.stores.sqlite_content import SqliteContent
from tests.stores.conftest import Clock
from tests.stores.rows import row

Open = Callable[[], LogStore]
FOR_EVER = LogLimits(max_age_s=1e10, content_max_age_s=1e10)


def said(number: int, words: str, **more: object) -> StoredContent:
    """Of the exchange ``row(number)``."""
    values = {
        "request_id": number.to_bytes(16, "big"),
        "started_us": number * 1_000_000,
        "request": f"<{words}>",
        "response": "",
        "request_words": words,
    }
    return StoredContent(**(values | more))  # type: ignore[arg-type]


def found(store: LogStore, typed: str, **query: object) -> list[int]:
    sequences: list[int] = []
    cursor: str | None = None
    while True:
        page = store.page(LogQuery(search=tuple(terms_in(typed)), cursor=cursor, **query))  # type: ignore[arg-type]
        sequences += [entry.sequence for entry in page.rows]
        cursor = page.next
        if cursor is None:
            return sequences


def test_contents_come_back_whole(open_log: Open) -> None:
    one = said(5, "é\0x", response="y" * 100_000, media_type="text/plain", response_truncated=True, redacted=True)
    store = open_log()
    assert store.keep_contents([one, said(6, "z")]) == 2
    back = open_log().content(one.request_id, one.started_us + 3)
    assert back == StoredContent(
        request_id=one.request_id,
        started_us=one.started_us,
        request="<é\0x>",
        response="y" * 100_000,
        media_type="text/plain",
        response_truncated=True,
        redacted=True,
    )
    assert store.content(bytes(16), 0) is None


def test_what_is_given_again_is_stored_once(open_log: Open) -> None:
    store = open_log()
    assert store.keep_contents([said(1, "first")]) == 1
    assert store.keep_contents([said(1, "second"), said(2, "third"), said(2, "fourth")]) == 1
    store.append([row(1), row(2)], {})
    content = open_log().content(said(1, "").request_id, 1_000_000)
    assert content is not None
    assert content.request == "<first>"
    assert (found(store, "first"), found(store, "second"), found(store, "third")) == ([1], [], [2])


@pytest.mark.parametrize("closed", [False, True])
def test_words_are_found_in_what_was_said_and_in_names(open_log: Open, clock: Clock, closed: bool) -> None:
    store = open_log()
    store.append([row(1), row(2, status=500), row(3, model="quick-fox"), row(4), row(5, provider=8)], {})
    store.keep_contents(
        [
            said(1, "the quick brown fox"),
            said(2, "a fox is quick"),
            said(4, "nothing here", response_words="but Éclair"),
            said(5, 'it said "never" OR NOT'),
        ]
    )
    if closed:
        clock.now += 3600
        store.append([], {})
        store.append([row(1000)], {})
        store.limits = FOR_EVER
        store.maintain()
    assert found(store, "quick") == [3, 2, 1]
    assert found(store, "quick fox") == [3, 2, 1]
    assert found(store, '"quick brown"') == [1]
    assert found(store, "quick -brown") == [3, 2]
    assert found(store, "fox", status=500) == [2]
    assert found(store, "fox", limit=1) == [3, 2, 1]
    assert found(store, "éclair") == [4]
    assert found(store, 'never or not ") (') == [5]
    assert found(store, "fox nothing") == []
    assert found(store, "***") == []
    assert found(store, "* OR *") == [5]
    assert found(store, "never", provider=(7,)) == []
    assert [e.sequence for e in store.page(LogQuery(search=(Term(text="never", ids=(7,)),))).rows][-1] == 1


def test_hours_and_segments_need_not_be_the_same(open_log: Open, clock: Clock) -> None:
    """A request begins in one hour and is stored in a later one, or in the same file as those of other hours."""
    clock.now = 10 * 3600.0
    store = open_log()
    numbers = [8 * 3600 + 3599, 9 * 3600, 9 * 3600 + 3599, 10 * 3600]
    store.keep_contents([said(number, f"zebra {number}") for number in numbers])
    store.append([row(number) for number in numbers[:2]], {})
    clock.now += 3600
    store.append([], {})
    store.append([row(number) for number in numbers[2:]], {})
    assert found(store, "zebra") == numbers[::-1]
    clock.now += 3600
    store.append([], {})
    store.append([row(12 * 3600)], {})
    store.limits = FOR_EVER
    store.maintain()
    assert found(store, "zebra", limit=1) == numbers[::-1]


def test_what_is_too_old_is_gone(open_log: Open, clock: Clock) -> None:
    store = open_log()
    now = int(clock.now)
    store.append([row(now - 7200), row(now)], {})
    store.keep_contents([said(now - 7200, "old canary-1234567"), said(now, "new")])
    store.limits = LogLimits(content_max_age_s=3600)
    store.maintain()
    assert store.content(said(now - 7200, "").request_id, (now - 7200) * 1_000_000) is None
    assert store.content(said(now, "").request_id, now * 1_000_000) is not None
    assert found(store, "old") == []
    assert found(store, "new") == [now]
    # Its row stays.
    assert len(store.page(LogQuery()).rows) == 2


def test_files_go_whole_and_the_oldest_first(tmp_path: Path) -> None:
    contents = SqliteContent(str(tmp_path / "content"))
    for hour in range(4):
        contents.keep([said(hour * 3600 + i, os.urandom(3000).hex()) for i in range(20)])
    size = contents.bytes() // 4
    contents.retain(0, 2 * size + size // 2)
    assert sorted(os.listdir(contents.directory)) == ["1970-01-01T02.db", "1970-01-01T03.db"] or sorted(
        name for name in os.listdir(contents.directory) if name.endswith(".db")
    ) == ["1970-01-01T02.db", "1970-01-01T03.db"]
    # A file that went is made again for what comes late.
    assert contents.keep([said(5, "late")]) == 1
    contents.close()


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    contents = SqliteContent(str(tmp_path / "content"))
    contents.keep([said(1, "x")])
    contents.close()
    (tmp_path / "content" / "1970-01-01T00.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable):
        contents.keep([said(2, "y")])
    assert contents.keep([said(2, "y")]) == 1
    assert contents.find(said(2, "").request_id, 2_000_000) is not None
    assert [name for name in os.listdir(tmp_path / "content") if name.endswith(".damaged")]
    contents.close()


def test_whoever_reads_a_damaged_file_finds_what_is_in_the_others(tmp_path: Path) -> None:
    contents = SqliteContent(str(tmp_path / "content"))
    contents.keep([said(3600 * hour + number, f"zebra {number}" * 50) for hour in (0, 1) for number in range(1, 99)])
    contents.close()
    path = tmp_path / "content" / "1970-01-01T00.db"
    data = bytearray(path.read_bytes())
    # The first page, which names the tables, is whole.
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    assert contents.find(said(1, "").request_id, 1_000_000) is None
    assert len(contents.hits('"zebra"', 0, None)) == 98
    assert contents.damaged() == ["1970-01-01T00.db.damaged"]
    assert contents.keep([said(1, "zebra")]) == 1
    contents.close()


def test_a_file_whose_maker_was_killed_has_nothing(tmp_path: Path) -> None:
    contents = SqliteContent(str(tmp_path / "content"))
    contents.keep([said(3600, "zebra")])
    (tmp_path / "content" / "1970-01-01T00.db").touch()
    assert contents.find(said(1, "").request_id, 1_000_000) is None
    assert len(contents.hits('"zebra"', 0, None)) == 1
    contents.close()


def test_words_of_any_script_find_room_in_the_index(open_log: Open) -> None:
    words = " ".join(chr(0x20000 + n // 4096) + chr(0x21000 + n % 4096) + chr(0x22000) for n in range(65536))
    store = open_log()
    assert store.keep_contents([said(1, words[: 128 << 10], response_words=words[128 << 10 :])]) == 1


def test_a_full_disk_keeps_all_of_a_batch_waiting(tmp_path: Path) -> None:
    contents = SqliteContent(str(tmp_path / "content"))
    contents.keep([said(1, "x")])
    writer = contents._writers["1970-01-01T00"]
    writer.execute("PRAGMA max_page_count = 1")
    batch = [said(number, os.urandom(20_000).hex()) for number in range(2, 40)]
    with pytest.raises(StoreUnavailable):
        contents.keep(batch)
    assert contents.find(batch[0].request_id, batch[0].started_us) is None
    assert contents.keep(batch) == len(batch)
    contents.close()
    found = sqlite3.connect(tmp_path / "content" / "1970-01-01T00.db").execute("SELECT count(*) FROM content")
    assert found.fetchone() == (39,)

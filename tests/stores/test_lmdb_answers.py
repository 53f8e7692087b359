"""The LMDB cache's own: bounds, what is thrown away and when, damage, full disks, killed writers."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores import lmdb_files
from gateway.stores.lmdb_answers import LmdbAnswers
from gateway.stores.protocols import StoreUnavailable
from tests.live.rounds import measured, rounds
from tests.stores import lmdb_damage
from tests.stores.answers import answer, key, later, row

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "answers")


class Now:
    """Wall clock of a test, in ns."""

    def __init__(self) -> None:
        self.ns = time.time_ns()

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def small(directory: str, now: Now) -> Iterator[LmdbAnswers]:
    store = LmdbAnswers(directory, 1 << 20, clock=now)
    yield store
    store.close()


def alive(store: LmdbAnswers, numbers: range) -> list[int]:
    return [number for number in numbers if store.get(key(number)) is not None]


# -- bounds


def test_what_was_stored_longest_ago_makes_room(small: LmdbAnswers) -> None:
    for first in range(0, 400, 20):
        small.put([row(number, 10_000) for number in range(first, first + 20)])
        assert small.status().bytes <= small.most_bytes
    left = alive(small, range(400))
    assert left == list(range(400 - len(left), 400))
    assert 70 < len(left) < 100


def test_stored_again_is_stored_last(small: LmdbAnswers) -> None:
    small.put([row(number, 10_000) for number in range(60)])
    small.put([row(0, 10_000)])
    small.put([row(number, 10_000) for number in range(60, 120)])
    assert small.get(key(0)) is not None
    assert small.get(key(1)) is None


def test_what_is_over_makes_room_first(small: LmdbAnswers, now: Now) -> None:
    small.put([row(number, 10_000) for number in range(40)])
    small.put([(key(number), answer(number, 10_000), now.ns + 1000) for number in range(40, 80)])
    now.ns += 2000
    small.put([row(number, 10_000) for number in range(80, 110)])
    assert alive(small, range(110)) == [*range(40), *range(80, 110)]


def test_the_file_stays_within_its_map(small: LmdbAnswers) -> None:
    lot = random.Random(1)
    for number in range(1500):
        small.put([row(number, lot.choice([10, 3000, 20_000, 100_000, small.most_value_bytes]))])
    used, held = small.status().bytes, os.path.getsize(Path(small.directory, small._generation, "data.mdb"))
    assert used <= small.most_bytes
    assert held <= small._map_bytes
    assert small.get(key(1499)) is not None


def test_an_answer_that_is_too_large_is_not_kept_and_said_once(
    small: LmdbAnswers, caplog: pytest.LogCaptureFixture
) -> None:
    most = small.most_value_bytes
    small.put([row(1), row(2)])
    small.put([row(1, most + 1), row(3, most)])
    small.put([row(2, most + 1)])
    assert [small.get(key(number)) for number in (1, 2, 3)] == [None, None, answer(3, most)]
    assert small.status().notes == (f"2 answers of more than {most} bytes were not kept",)
    assert caplog.text.count("is not kept") == 1


def test_many_answers_at_once_are_several_transactions(directory: str) -> None:
    store = LmdbAnswers(directory, 64 << 20)
    store.put([row(number, 1 << 20) for number in range(40)])
    assert alive(store, range(40)) == list(range(40))
    store.close()


def test_a_key_of_another_length_is_a_mistake(small: LmdbAnswers) -> None:
    with pytest.raises(ValueError, match="48 bytes, not 5"):
        small.put([row(1), (b"short", b"", later())])
    assert small.get(key(1)) is None


def test_maintain_forgets_what_is_over(small: LmdbAnswers, now: Now) -> None:
    small.put([(key(number), b"x" * 100, now.ns + 1000 + number % 2 * 10**12) for number in range(1500)])
    before = small.status().bytes
    now.ns += 2000
    small.maintain()
    assert small.status().bytes < before
    assert len(list(small.entries())) == 750


# -- who writes, and for how long a file is trusted


def test_a_second_writer_is_refused(small: LmdbAnswers) -> None:
    with pytest.raises(StoreUnavailable, match="another process writes it"):
        LmdbAnswers(small.directory)
    small.put([row(1)])
    assert small.get(key(1)) == answer(1)


def test_everything_is_for_the_owner_only(small: LmdbAnswers) -> None:
    small.put([row(1)])
    for path in [Path(small.directory), *Path(small.directory).rglob("*")]:
        if path.name != "current":  # names no answer
            assert path.stat().st_mode & 0o077 == 0, path


def said(directory: str) -> lmdb_files.Current:
    current = lmdb_files.read_current(directory)
    assert current is not None
    return current


def test_a_file_closed_in_good_order_outlives_a_restart_of_the_machine(directory: str) -> None:
    store = LmdbAnswers(directory)
    store.put([row(1)])
    store.close()
    lmdb_files.write_current(directory, said(directory)._replace(boot="another"))
    again = LmdbAnswers(directory)
    assert again.get(key(1)) == answer(1)
    again.close()


def test_a_file_that_was_open_when_the_machine_went_down_is_thrown_away(
    directory: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = LmdbAnswers(directory)
    store.put([row(1)])
    store.close()
    lmdb_files.write_current(directory, said(directory)._replace(boot="another", pid=os.getpid()))
    again = LmdbAnswers(directory)
    assert again.get(key(1)) is None
    assert "the machine went down while it was open; it is thrown away and begun anew" in caplog.text
    again.put([row(2)])
    assert again.get(key(2)) == answer(2)
    assert lmdb_files.generations(directory) == [again._generation]
    again.close()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"generation": "../x", "map_bytes": 1, "boot": "b", "pid": 0}'])
def test_a_note_that_cannot_be_read_is_a_new_file(directory: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    store = LmdbAnswers(directory)
    store.put([row(1)])
    store.close()
    Path(lmdb_files.current_path(directory)).write_text(text)
    again = LmdbAnswers(directory)
    assert again.get(key(1)) is None
    assert "begun anew" in caplog.text
    again.close()


def test_the_first_file_is_no_news(directory: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    LmdbAnswers(directory).close()
    LmdbAnswers(directory).close()
    assert caplog.text == ""


# -- damage


def test_a_damaged_file_is_never_mapped(tmp_path: Path) -> None:
    """In a process of its own: LMDB itself would end it with SIGSEGV or SIGBUS."""
    lmdb_damage.fill(str(tmp_path / "pristine"))
    lots = rounds(3, 200)
    command = [sys.executable, "-m", "tests.stores.lmdb_damage"]
    command += [str(tmp_path / "pristine"), str(tmp_path / "work"), str(lots)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-300:] + run.stderr[-3000:]
    cases = [line.split() for line in run.stdout.splitlines()]
    assert len(cases) == lots * len(lmdb_damage.WAYS)
    # All or nothing: what is damaged is not half used. Some bits lie in pages that nobody reads.
    assert {left for _, _, left in cases} == {"0", str(len(lmdb_damage.KEPT))}
    assert {left for how, _, left in cases if how in ("truncated", "empty", "bytes")} == {"0"}
    thrown_away = sum(left == "0" for _, _, left in cases)
    assert run.stderr.count("begun anew") == thrown_away
    measured("damaged files opened, thrown away", f"{len(cases)}, {thrown_away}", "all that matters")


def test_a_bit_that_makes_a_database_one_of_another_kind_is_noticed(directory: str) -> None:
    """The structure stays sound; LMDB ends the process that opens the database as what it was. Nothing is opened."""
    store = LmdbAnswers(directory, 1 << 20)
    store.put([row(1)])
    store.close()
    current = said(directory)
    path = Path(directory, current.generation, "data.mdb")
    whole = path.read_bytes()
    assert lmdb_files.why_unusable(directory, current) == ""
    meta = max((0, 4096), key=lambda at: whole[at + 144 : at + 152][::-1])
    root = int.from_bytes(whole[meta + 128 : meta + 136], "little") * 4096
    places = [meta + 44, meta + 92]
    places += [whole.index(name, root) + len(name) + 4 for name in (b"answers", b"by_age", b"by_expiry")]
    assert [whole[place] for place in places] == [8, 0, 0, 0, 0]
    for place in places:
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            path.write_bytes(data)
            assert "damaged" in lmdb_files.why_unusable(directory, current), (place, bit)


def test_a_file_whose_index_disagrees_is_thrown_away(directory: str, caplog: pytest.LogCaptureFixture) -> None:
    for database in ("_by_age", "_by_expiry"):
        store = LmdbAnswers(directory)
        store.put([row(1), row(2)])
        with store._guarded() as env, env.begin(write=True) as txn:
            rows = getattr(store, database)
            with txn.cursor(rows) as cursor:
                assert cursor.first()
                cursor.put(cursor.key(), key(3), overwrite=True)
        store.close()
        again = LmdbAnswers(directory)
        assert list(again.entries()) == []
        again.close()
    assert caplog.text.count("an index does not agree with the answers") == 2


def test_rows_of_an_index_that_lead_nowhere_are_forgotten_too(small: LmdbAnswers, now: Now) -> None:
    """What a file that was damaged since it was verified might hold."""
    small.put([row(number, 10_000) for number in range(50)])
    with small._guarded() as env, env.begin(write=True) as txn:
        for number in range(20):
            assert txn.delete(key(number), db=small._answers)
    for number in range(50, 150):
        small.put([row(number, 10_000)])
    now.ns += 2 * 3600 * 10**9
    small.maintain()
    assert (list(small.entries()), small.status().entries) == ([], 0)
    with small._guarded() as env, env.begin() as txn:
        assert [txn.stat(each)["entries"] for each in (small._by_age, small._by_expiry)] == [0, 0]


# -- the disk and the process

_FULL = """
import json, os, resource, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores.lmdb_answers import LmdbAnswers
from gateway.stores.protocols import StoreUnavailable
from tests.stores.answers import answer, key, row

def limited(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

if sys.argv[3] == "start":
    limited(4096)
store = LmdbAnswers(sys.argv[2], 64 << 20)
if sys.argv[3] == "start":
    seen = [store.status().problem]
else:
    store.put([row(number, 10_000) for number in range(50)])
    limited(1 << 20)
    seen = []
number = 50
try:
    while number < 200:
        store.put([row(number, 10_000), row(number + 1, 10_000)])
        number += 2
except StoreUnavailable as error:
    seen.append(str(error))
seen.append(store.status().ok)
seen.append([store.get(key(each)) == answer(each, 10_000) for each in range(number)] if number > 50 else [])
if number > 50:
    seen.append([store.get(key(each)) for each in (number, number + 1)])
limited(resource.RLIM_INFINITY)
store.put([row(number, 10_000)])
seen.append(store.get(key(number)) == answer(number, 10_000))
store.close()
again = LmdbAnswers(sys.argv[2], 64 << 20)
seen.append(again.get(key(number)) == answer(number, 10_000))
again.close()
print(json.dumps(seen))
"""


def under_a_limit(directory: str, when: str) -> list[object]:
    """A limit on the size of files is met by LMDB as a full disk is: a write that comes back short."""
    command = [sys.executable, "-c", _FULL, ROOT, directory, when]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    seen: list[object] = json.loads(run.stdout)
    return seen


def test_a_full_disk_takes_nothing_and_gives_what_it_has(directory: str) -> None:
    problem, ok, found, half, later_on, reopened = under_a_limit(directory, "later")
    assert str(problem).startswith("answer cache: the disk is full")
    assert isinstance(found, list)
    assert len(found) > 50
    # What it has can be read, and it says that it takes nothing.
    assert (all(found), ok, half, later_on, reopened) == (True, False, [None, None], True, True)


def test_a_disk_that_is_full_at_the_start_is_tried_again(directory: str) -> None:
    status, problem, ok, _, later_on, reopened = under_a_limit(directory, "start")
    assert str(status).startswith("answer cache: the disk is full")
    assert (problem, ok, later_on, reopened) == (status, False, True, True)


_WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores.lmdb_answers import LmdbAnswers
from tests.stores.answers import row

store = LmdbAnswers(sys.argv[2], 4 << 20)
number = int(sys.argv[3])
while True:
    store.put([row(number + each, 100 * each) for each in range(40)])
    number += 40
    os.write(1, number.to_bytes(8, "big"))
"""


def test_a_writer_killed_at_any_moment_leaves_a_sound_file(directory: str, caplog: pytest.LogCaptureFixture) -> None:
    lot, stored = random.Random(4), 0
    for _ in range(rounds(5, 200)):
        command = [sys.executable, "-c", _WRITER, ROOT, directory, str(stored)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            acknowledged = writer.stdout.read(8)
            time.sleep(lot.random() * 0.05)
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += writer.stdout.read()
        stored = int.from_bytes(acknowledged[len(acknowledged) // 8 * 8 - 8 :][:8], "big")
        store = LmdbAnswers(directory, 4 << 20)
        last = range(stored - 40, stored)
        assert [store.get(key(number)) for number in last] == [
            answer(number, 100 * at) for at, number in enumerate(last)
        ]
        assert store.status().bytes <= 4 << 20
        store.close()
    assert "begun anew" not in caplog.text


def test_what_lmdb_calls_damage_is_a_new_file(
    small: LmdbAnswers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import lmdb

    def broken(*_: object) -> bool:
        raise lmdb.CorruptedError("mdb_page_search", -30796)

    small.put([row(1)])
    with monkeypatch.context() as patched:
        patched.setattr(small, "_delete", broken)
        with pytest.raises(StoreUnavailable, match="its file was damaged, a new one is begun"):
            small.put([row(1)])
    assert "begun anew" in caplog.text
    assert small.get(key(1)) is None
    small.put([row(3)])
    assert small.get(key(3)) == answer(3)


def test_closed_is_closed(directory: str) -> None:
    store = LmdbAnswers(directory)
    store.close()
    store.close()
    again = LmdbAnswers(directory)
    again.close()

"""Records through the ring: none lost, none torn, none invented."""

from __future__ import annotations

import os
import random
import resource
import signal
import struct
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _speedups import _ring_file
from _speedups._ring_file import Spill, SpillReader, map_ring, open_ring
from tests.speedups.children import kill, start, wait
from tests.speedups.conftest import RINGS

ROW = _ring_file.ROW_SIZE
SMALL = 4096 + 16 * ROW

wide, signed, medium, short, byte = (
    st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1),
    st.integers(0, 255),
)  # fmt: skip
TYPES = {
    wide: "started_ns snapshot virtual_key provider provider_key route team customer",
    signed: "prompt_tokens completion_tokens cached_tokens cache_write_tokens reasoning_tokens audio_in_tokens "
    "audio_out_tokens cost_nanodollars queue_us gateway_us upstream_us ttft_us total_us request_bytes response_bytes "
    "chunks",
    medium: "flags",
    short: "kind schema operation dialect target_dialect status attempt attempts",
    byte: "stream outcome error_kind usage_source cache_verdict",
    st.binary(min_size=16, max_size=16): "request_id client",
    st.binary(max_size=120): "model target_model dropped receipt",
}
fields = st.fixed_dictionaries({name: values for values, names in TYPES.items() for name in names.split()})
NAMES = [
    "slot", "epoch", "sequence", "started_us", "snapshot", "virtual_key", "provider", "provider_key", "route",
    "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_in_tokens",
    "audio_out_tokens", "cost_nanodollars", "queue_us", "gateway_us", "upstream_us", "ttft_us", "total_us",
    "request_bytes", "response_bytes", "chunks", "flags", "kind", "operation", "dialect", "target_dialect", "status",
    "attempt", "attempts", "stream", "outcome", "error_kind", "usage_source", "cache_verdict", "request_id", "model",
    "target_model", "dropped", "receipt", "client", "team", "customer",
]  # fmt: skip
ROOM = {"model": 96, "target_model": 96, "dropped": 64, "receipt": 48}


def filled(module: ModuleType, values: dict[str, Any]) -> Any:
    record = module.Record()
    for name, value in values.items():
        setattr(record, name, value)
    return record


@settings(max_examples=40, deadline=None)
@given(values=fields, identity=st.tuples(st.integers(0, 2**62), st.integers(0, 2**40)))
def test_both_twins_pack_the_same_and_read_it_back(values: dict[str, Any], identity: tuple[int, int]) -> None:
    packed = {filled(module, values).pack() for module in RINGS.values()}
    assert len(packed) == 1
    data = packed.pop()
    assert len(data) == 640
    expected = {name: value[: ROOM[name]] if name in ROOM else value for name, value in values.items()}
    for module in RINGS.values():
        record = module.Record.unpack(data)
        assert {name: getattr(record, name) for name in values} == expected
        record.clear()
        assert record.pack() == module.Record().pack()


@settings(max_examples=40, deadline=None)
@given(values=fields)
def test_both_twins_read_the_same_values(values: dict[str, Any]) -> None:
    found = []
    for module in RINGS.values():
        with tempfile.TemporaryDirectory() as place:
            pair = Pair(module, Path(place))
            pair.record = filled(module, values)
            pair.push(values["total_us"])
            (row,) = rows_of(pair.reader)
            pair.close()
        found.append({name: value for name, value in row.items() if name != "sequence"})
        expected: dict[str, Any] = {"slot": 3, "epoch": 1, "started_us": values["started_ns"] // 1000}
        expected |= {name: value for name, value in values.items() if name not in ("started_ns", "schema")}
        for name in ("snapshot", "virtual_key", "provider", "provider_key", "route", "team", "customer"):
            expected[name] = int.from_bytes(values[name].to_bytes(8, "little"), "little", signed=True)
        expected |= {name: values[name][:room].decode("utf-8", "replace") for name, room in ROOM.items()}
        assert found[-1] == expected
    assert all(one == found[0] for one in found)


def test_a_record_that_is_too_short(ring: ModuleType) -> None:
    with pytest.raises(ValueError, match="640"):
        ring.Record.unpack(bytes(639))
    assert ring.Record.unpack(bytes(700)).kind == 0, "what a newer schema appends is left alone"


def test_a_record_never_carries_bytes_of_the_one_before(ring: ModuleType) -> None:
    record = ring.Record()
    record.model = b"secret-model-name"
    record.pack()
    record.model = b"x"
    assert b"ecret" not in record.pack()


def rows_of(reader: Any, most: int = 1000) -> list[dict[str, Any]]:
    """Up to ``most`` records, from ring and spill file."""
    rows: list[dict[str, Any]] = []
    while len(rows) < most and (values := reader.read(most - len(rows))):
        rows += [
            dict(zip(NAMES, values[at : at + len(NAMES)], strict=True)) for at in range(0, len(values), len(NAMES))
        ]
    return rows


def identities(reader: Any) -> list[tuple[int, int, int]]:
    return [(row["slot"], row["epoch"], row["sequence"]) for row in rows_of(reader)]


class Pair:
    def __init__(self, ring: ModuleType, path: Path, **more: Any) -> None:
        self.ring, self.path = ring, path
        self.names = str(path / "ring"), str(path / "spill")
        self.record = ring.Record()
        self.writer = self.new_writer(1, **more)
        self.reader = ring.RingReader(*self.names)

    def new_writer(self, epoch: int, size_bytes: int = SMALL, event_fd: int = -1) -> Any:
        return self.ring.RingWriter(self.names[0], 3, epoch, self.names[1], size_bytes, event_fd)

    def push(self, *numbers: int) -> None:
        for number in numbers:
            self.record.total_us = number
            assert self.writer.push(self.record)

    def read(self, most: int = 1000) -> list[int]:
        return [row["total_us"] for row in rows_of(self.reader, most)]

    def close(self) -> None:
        self.writer.close()
        self.reader.close()


@pytest.fixture
def pair(ring: ModuleType, tmp_path: Path) -> Any:
    made = Pair(ring, tmp_path)
    yield made
    made.close()


def test_order_position_and_lag(pair: Pair) -> None:
    for start_at in range(0, 100, 10):
        pair.push(*range(start_at, start_at + 10))
        assert pair.reader.lag() == 10
        assert pair.read(4) == list(range(start_at, start_at + 4))
        assert pair.reader.lag() == 6
        assert pair.read() == list(range(start_at + 4, start_at + 10))
        assert pair.read() == []
        pair.reader.commit()
    assert pair.writer.spilled == pair.writer.dropped == 0


def test_identity_of_a_row_is_unique_over_epochs(pair: Pair) -> None:
    pair.push(1, 2)
    pair.writer.close()
    pair.writer = pair.new_writer(2)
    pair.push(3)
    rows = identities(pair.reader)
    assert [row[:2] for row in rows] == [(3, 1), (3, 1), (3, 2)]
    sequences = [row[2] for row in rows]
    assert sequences == list(range(sequences[0], sequences[0] + 3))
    assert abs(sequences[0] - time.time_ns() // 1000) < 600_000_000, "a ring made anew continues above an older one"


def test_a_consumer_that_dies_before_its_commit_reads_again(pair: Pair) -> None:
    pair.push(*range(30))
    first = pair.read(7)
    pair.reader.close()
    pair.reader = pair.ring.RingReader(*pair.names)
    again = pair.read()
    assert again[:7] == first
    assert sorted(again) == list(range(30)), "spilled ones included"
    pair.reader.commit()
    pair.reader.close()
    pair.reader = pair.ring.RingReader(*pair.names)
    assert pair.read() == []
    assert pair.reader.lag() == 0


def test_a_consumer_goes_on_behind_what_it_had_stored(pair: Pair) -> None:
    """For every place in ring and spill file at which it may have died."""
    pair.push(*range(30))
    rows = identities(pair.reader)
    assert pair.reader.resume(()) == 0
    for ring in (-1, 0, 7, 15):
        for spilled in (-1, 16, 20, 29):
            stored = [rows[at][1:] for at in (ring, spilled) if at >= 0]
            assert pair.reader.resume(stored) == ring + 1 + max(0, spilled - 15)
            assert pair.read() == [*range(ring + 1, 16), *range(max(16, spilled + 1), 30)]
    pair.reader.resume([rows[7][1:], rows[20][1:]])
    pair.reader.commit()
    pair.reader.close()
    pair.reader = pair.ring.RingReader(*pair.names)
    assert pair.read() == [*range(8, 16), *range(21, 30)]


def test_positions_that_are_not_waiting_leave_nothing_out(pair: Pair) -> None:
    pair.push(*range(20))
    rows = identities(pair.reader)
    pair.reader.resume(())
    (ring_epoch, ring), (spill_epoch, spilled) = rows[3][1:], rows[17][1:]
    for epoch, sequence in (
        (ring_epoch + 1, ring), (spill_epoch + 1, spilled), (ring_epoch, ring - 100), (ring_epoch, ring + 10**9),
        (spill_epoch, spilled - 100), (spill_epoch, spilled + 10**9),
    ):  # fmt: skip
        assert pair.reader.resume([(epoch, sequence)]) == 0
        assert pair.read() == list(range(20))
    pair.read()
    pair.reader.commit()
    assert pair.reader.resume([rows[3][1:], rows[17][1:]]) == 0
    assert pair.read() == []


def test_a_row_far_into_the_spill_file_is_found(ring: ModuleType, tmp_path: Path) -> None:
    pair = Pair(ring, tmp_path)
    count = 16 + 2 * _ring_file.SKIP_ROWS + 50
    pair.push(*range(count))
    rows = []
    while values := pair.reader.read(500):
        rows += [values[at : at + 3] for at in range(0, len(values), len(NAMES))]
    for at in (16 + _ring_file.SKIP_ROWS - 1, 16 + _ring_file.SKIP_ROWS, count - 1):
        assert pair.reader.resume([tuple(rows[at][1:])]) == at - 15
        assert pair.reader.lag() == 16 + count - 1 - at
    pair.close()


def test_a_full_ring_spills_and_the_spill_is_cut(pair: Pair) -> None:
    pair.push(*range(40))
    assert pair.writer.spilled == 40 - 16
    assert pair.reader.lag() == 40
    assert pair.read() == list(range(40))
    pair.push(40)
    assert pair.read() == [40], "not committed: the ring is still full"
    assert pair.writer.untidy
    pair.writer.tend()
    assert os.stat(pair.names[1]).st_size == 25 * ROW, "read, but not freed"
    pair.reader.commit()
    assert pair.writer.untidy
    pair.writer.tend()
    assert not pair.writer.untidy
    pair.push(41)
    assert os.stat(pair.names[1]).st_size == 0
    assert pair.read() == [41]
    pair.push(*range(42, 80))
    assert sorted(pair.read()) == list(range(42, 80))
    rows = pair.writer.spilled
    pair.reader.commit()
    pair.writer.close()
    pair.writer = pair.new_writer(2)
    assert pair.writer.spilled == rows
    pair.push(80)
    assert pair.read() == [80]


def test_spilled_rows_have_sequences_of_their_own(pair: Pair) -> None:
    pair.push(*range(20))
    sequences = [row[2] for row in identities(pair.reader)]
    assert len(set(sequences)) == 20
    assert [bool(sequence >> 62) for sequence in sequences] == [False] * 16 + [True] * 4


def died(pair: Pair, *, tended: bool) -> None:
    """A producer pushes 20 records, of which four do not fit, and closes nothing."""

    def work() -> None:
        pair.writer = pair.new_writer(2)
        pair.push(*range(20))
        if tended:
            pair.writer.tend()

    assert wait(start(work)) == 0


def words_of(pair: Pair) -> Any:
    return memoryview(map_ring(pair.names[0])).cast("Q")


@pytest.mark.parametrize("emptied", [False, True])
def test_a_producer_that_died_while_it_cut_the_spill_file(pair: Pair, emptied: bool) -> None:
    """Between saying that it will and publishing the new base."""
    pair.writer.close()
    died(pair, tended=True)
    assert pair.read() == list(range(20))
    pair.reader.commit()
    words_of(pair)[_ring_file.W_SPILL_CUT] = 4 * ROW
    if emptied:
        os.truncate(pair.names[1], 0)
    pair.writer = pair.new_writer(3)
    pair.push(*range(20, 45))
    assert sorted(pair.read()) == list(range(20, 45))


def test_a_spill_file_that_somebody_else_has_emptied(pair: Pair) -> None:
    pair.push(*range(20))
    pair.writer.close()
    assert pair.read() == list(range(20))
    pair.reader.commit()
    os.truncate(pair.names[1], 0)
    pair.writer = pair.new_writer(2)
    pair.push(*range(20, 45))
    assert sorted(pair.read()) == list(range(20, 45))


@pytest.mark.parametrize("moved", [0, 1, 3, 4])
@pytest.mark.parametrize("read", [0, 17, 20])
def test_a_producer_that_died_before_it_said_what_it_had_moved(pair: Pair, moved: int, read: int) -> None:
    pair.writer.close()
    died(pair, tended=False)
    assert os.stat(pair.names[1]).st_size == 0
    assert pair.reader.lag() == 20
    assert pair.read(read) == list(range(read))
    pair.reader.commit()
    words, ring = words_of(pair), Path(pair.names[0]).read_bytes()
    with open(pair.names[1], "ab") as file:
        for sequence in range(words[_ring_file.W_SPILL_SEQUENCE] - 4, words[_ring_file.W_SPILL_SEQUENCE] - 4 + moved):
            at = _ring_file.stage_of(16) + sequence % _ring_file.STAGE_ROWS * ROW
            file.write(ring[at : at + ROW])
    pair.writer = pair.new_writer(3)
    assert pair.read() == list(range(read, 20))
    pair.reader.commit()
    pair.push(*range(20, 45))
    assert sorted(pair.read()) == list(range(20, 45))


def test_a_consumer_goes_on_behind_what_it_had_stored_of_the_stage(pair: Pair) -> None:
    """Before the rows were moved to the file, between, and behind it."""
    pair.push(*range(20))
    pair.writer.tend()
    pair.push(*range(20, 24))
    rows = identities(pair.reader)
    for _ in range(2):
        for at in (16, 19, 20, 23):
            assert pair.reader.resume([rows[at][1:]]) == at - 15
            assert sorted(pair.read()) == [*range(16), *range(at + 1, 24)]
        pair.writer.tend()


def test_half_a_row_in_the_spill_file(pair: Pair) -> None:
    pair.push(*range(18))
    with open(pair.names[1], "ab") as file:
        file.write(b"x" * 100)
    assert pair.read() == list(range(18))
    pair.writer.close()
    pair.writer = pair.new_writer(2)
    pair.push(18)
    assert pair.read() == [18]


def test_a_damaged_row_is_never_returned(pair: Pair) -> None:
    """Whatever byte of the row is changed."""
    chance = random.Random(5)
    for _ in range(60):
        pair.push(1, 2, 3)
        position = pair.reader.read(0) == [] and int.from_bytes(Path(pair.names[0]).read_bytes()[128:136], "little")
        at = 4096 + (position + 1) % 16 * ROW + chance.choice([*range(28), *range(32, 36), *range(64, 64 + 640)])
        with open(pair.names[0], "r+b") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ 1 << chance.randrange(8)]))
        values = pair.read()
        assert values == [1, 3] or (values == [1, 2, 3] and 16 <= (at - 4096) % ROW < 24), "the place is not checked"
        pair.reader.commit()


def test_spill_file_full_counts_drops(ring: ModuleType, tmp_path: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        pair = Pair(ring, tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * ROW + 100, 3 * ROW + 100))
        room = 16 + 3 + _ring_file.STAGE_ROWS
        results = [pair.writer.push(pair.record) for _ in range(room + 6)]
        assert results == [True] * room + [False] * 6
        assert pair.writer.spilled == room - 16
        assert pair.writer.dropped == 6
        assert os.stat(pair.names[1]).st_size == 3 * ROW
        assert len(pair.read(10_000)) == room
        pair.reader.commit()
        for _ in range(2 * room):
            assert pair.writer.push(pair.record)
            pair.writer.tend()
            pair.read()
            pair.reader.commit()
        pair.close()

    assert wait(start(work)) == 0


def test_no_room_for_the_ring_is_an_error(ring: ModuleType, tmp_path: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        with pytest.raises(OSError, match="File too large"):
            Pair(ring, tmp_path)

    assert wait(start(work)) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_event_rings_only_for_a_sleeper(ring: ModuleType, tmp_path: Path) -> None:
    event = os.eventfd(0, os.EFD_NONBLOCK)
    pair = Pair(ring, tmp_path, event_fd=event)
    pair.push(1)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(event)
    pair.reader.sleeping(True)
    pair.push(2, 3)
    assert os.eventfd_read(event) == 1, "once, then the sleeper is awake"
    pair.reader.sleeping(True)
    pair.reader.sleeping(False)
    pair.push(4)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(event)
    pair.push(*range(5, 20))
    pair.reader.sleeping(True)
    pair.push(20)
    assert os.eventfd_read(event) == 1, "for a spilled one, too"
    pair.close()
    os.close(event)


def test_another_size_or_a_strange_file_begins_anew(ring: ModuleType, tmp_path: Path) -> None:
    for content in (b"", b"junk", b"junk" * 5000):
        (tmp_path / "ring").write_bytes(content)
        with pytest.raises(ValueError, match=r"ring|empty"):
            ring.RingReader(str(tmp_path / "ring"), str(tmp_path / "spill"))
        pair = Pair(ring, tmp_path)
        pair.push(1)
        assert pair.read() == [1]
        pair.close()
    with pytest.raises(FileNotFoundError):
        ring.RingReader(str(tmp_path / "absent"), str(tmp_path / "spill"))
    with pytest.raises(ValueError, match="at least"):
        Pair(ring, tmp_path, size_bytes=5000)


def test_each_twin_reads_what_the_other_wrote(tmp_path: Path) -> None:
    for writer_of in RINGS.values():
        for reader_of in RINGS.values():
            writer = writer_of.RingWriter(str(tmp_path / "ring"), 3, 9, str(tmp_path / "spill"), SMALL)
            record = writer_of.Record()
            reader = reader_of.RingReader(str(tmp_path / "ring"), str(tmp_path / "spill"))
            for number in range(20):
                record.total_us = number
                record.model = b"model" * number
                assert writer.push(record)
            rows = rows_of(reader)
            assert [row["total_us"] for row in rows] == list(range(20))
            assert [row["model"] for row in rows] == [("model" * number)[:96] for number in range(20)]
            reader.commit()
            writer.close()
            reader.close()


def test_reading_while_another_process_writes(ring: ModuleType, tmp_path: Path) -> None:
    """Two processes at full speed: every row whole and in order."""
    pair = Pair(ring, tmp_path, size_bytes=4096 + 200 * ROW)
    count = 3000

    def work() -> None:
        writer = pair.new_writer(2, 4096 + 200 * ROW)

        def tend() -> None:
            while True:
                writer.tend()

        threading.Thread(target=tend, daemon=True).start()
        for number in range(count):
            pair.record.total_us = pair.record.prompt_tokens = number
            assert writer.push(pair.record)

    pid, got = start(work), list[int]()
    end = time.monotonic() + 60
    while len(got) < count and time.monotonic() < end:
        got += pair.read(64)
        pair.reader.commit()
    assert wait(pid) == 0
    assert sorted(got) == list(range(count))
    assert len(got) == len(set(got))
    pair.close()


@pytest.mark.parametrize("done", [1, 3])
def test_a_spill_file_that_is_cut_under_a_look_at_it_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """The base is read, then the file: in between the producer may have cut it and filled it again."""
    mapping = open_ring(str(tmp_path / "ring"), 0, SMALL)
    words = memoryview(mapping).cast("Q")
    spill = Spill(str(tmp_path / "spill"), mapping)
    first = words[_ring_file.W_SPILL_SEQUENCE]
    rows = [struct.pack("<Q", first + number | _ring_file.SPILL_BIT) + bytes(ROW - 8) for number in range(12)]

    def put(row: bytes) -> None:
        at = _ring_file.stage_of(16) + words[_ring_file.W_SPILL_SEQUENCE] % _ring_file.STAGE_ROWS * ROW
        mapping[at : at + ROW] = row
        words[_ring_file.W_SPILL_SEQUENCE] += 1
        spill.tend()

    class Looked:
        """The ring's words; once the first rows are read, the file is cut behind each look at its base."""

        def __getitem__(self, index: int) -> int:
            value: int = words[index]
            if index == _ring_file.W_SPILL_BASE and reader.next == done * ROW and not value:
                words[_ring_file.W_SPILL_DONE] = reader.next
                spill.tend()
                assert words[_ring_file.W_SPILL_BASE] == done * ROW
                for row in rows[done:]:
                    put(row)
            return value

    for row in rows[:done]:
        put(row)
    reader = SpillReader(str(tmp_path / "spill"), mapping)
    monkeypatch.setattr(reader, "_words", Looked())
    assert reader.read(64) == rows[:done]
    assert reader.read(4) == rows[done : done + 4]
    assert reader.read(64) == rows[done + 4 :]
    spill.close()


def test_a_killed_producer_loses_no_record(ring: ModuleType, tmp_path: Path) -> None:
    """Each push that returned is read, each row read once; at most the one under way at the kill comes on top."""
    rounds = int(os.environ.get("MICROGATE_TEST_KILLS", "20"))
    chance, seen = random.Random(11), set[tuple[int, int, int]]()
    pair = Pair(ring, tmp_path)
    for epoch in range(2, rounds + 2):
        told, tell = os.pipe()

        def work(epoch: int = epoch, tell: int = tell) -> None:
            writer, number = pair.new_writer(epoch), 0
            while True:
                pair.record.total_us, pair.record.snapshot = number, epoch
                assert writer.push(pair.record)
                number += 1
                os.write(tell, struct.pack("<q", number))

        pid = start(work)
        acknowledged = len(os.read(told, 8)) // 8
        time.sleep(chance.random() * 0.003)
        kill(pid)
        os.close(tell)
        while data := os.read(told, 65536):
            acknowledged += len(data) // 8
        os.close(told)
        got = []
        while rows := rows_of(pair.reader, 100):
            found = {(row["slot"], row["epoch"], row["sequence"]) for row in rows}
            assert len(found) == len(rows)
            assert not found & seen
            seen |= found
            got += rows
            pair.reader.commit()
        mine = sorted(record["total_us"] for record in got if record["snapshot"] == epoch)
        assert mine in (list(range(acknowledged)), list(range(acknowledged + 1)))
        assert len(mine) == len(got), "nothing of an earlier epoch comes again"
    pair.close()

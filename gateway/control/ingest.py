"""Records from the workers' rings into counters, the ledger and the request log.

One thread reads all rings, a batch at a time: count, post to the ledger (``ledger_feed.py``), insert, free. How far the
rings were read is stored in the transaction that stores the rows, and a batch is freed only after that. A process that
was killed in between has a successor that asks the log how far it came and reads on from there; so does this one after
an error that leaves open what is stored. So every record is stored exactly once, whichever step the process dies at,
and while this process is dead the rings and their spill files hold what comes.

Under load the thread sleeps between batches, longer after small ones, so that one transaction carries many rows; when
nothing comes it tells the producers so and waits for their eventfd.
"""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
from collections.abc import Iterator
from typing import TypeAlias

from _speedups._bucket import RingReader
from _speedups._ring_file import SPILL_BIT, W_DROPPED, W_SPILLED
from gateway.control.aggregate import Aggregates
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.ledger_rows import rows_of
from gateway.control.live import Live
from gateway.control.log_choice import LogChoice
from gateway.control.record_tap import Tap, tell
from gateway.control.rollups import Rollups
from gateway.control.trail import WIDTH, Values
from gateway.processes.paths import Paths
from gateway.stores.protocols import LogStore, StoreUnavailable

log = logging.getLogger("microgate.ingest")

BATCH = 2048
"""Records of one ring in one transaction: at most some 10 ms of work, and a third of a 4 MiB ring."""

PIECE = 16
"""Records read, counted and inserted at a time: their values are gone again while they are in the processor's nearest
cache, and the log inserts as many with one statement."""

BUSY_SLEEP_S = 0.05
"""Between batches under load. A ring holds 5,900 records, which one worker fills in 0.2 s at the very most."""

EASY_SLEEP_S = 0.15
"""Between batches of less than ``EASY_BATCH`` records: a transaction costs as much as forty of them."""

EASY_BATCH = 64

IDLE_SLEEP_S = 1.0
"""Longest sleep with an eventfd: how late a new ring is noticed."""

BLIND_SLEEP_S = 0.1
"""Longest sleep without one."""

RETRY_S = 0.5
"""Between attempts to store a batch that the log would not take (disk full): well under the 5 s in which it must
recover."""

SEQUENCE = 2
"""Place of it in a record's values."""

_RING = re.compile(r"ring-(\d+)", re.ASCII)


_Source: TypeAlias = tuple[int, int]
"""Slot, and 1 for its spill file, 0 for its ring."""


def _last(values: Values) -> tuple[_Source, tuple[int, int]]:
    """Where the last record of ``values`` comes from, and its (epoch, sequence)."""
    slot, epoch, sequence = values[-WIDTH : 3 - WIDTH]
    return (slot, int(sequence >= SPILL_BIT)), (epoch, sequence)


class _Ring:
    """One worker's ring, as this process has it open."""

    def __init__(self, path: str, spill_path: str) -> None:
        self.path = path
        self.inode = os.stat(path).st_ino
        self.reader = RingReader(path, spill_path)

    def word(self, index: int) -> int:
        """A 64-bit word of the producer's in the ring's header; 0 when it cannot be read."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                return int.from_bytes(os.pread(file.fileno(), 8, index * 8), "little")
        except OSError:
            return 0

    def is_replaced(self) -> bool:
        """Whether a worker has made the ring anew (another layout) and the one open here is drained."""
        try:
            return os.stat(self.path).st_ino != self.inode and self.reader.lag() == 0
        except FileNotFoundError:
            return False


class Ingest:
    """Owner of the rings' consuming end. ``start`` and ``stop`` run it on a thread of its own; tests call ``drain``."""

    def __init__(
        self,
        paths: Paths,
        store: LogStore,
        aggregates: Aggregates,
        *,
        feed: LedgerFeed | None = None,
        rollups: Rollups | None = None,
        live: Live | None = None,
        event_fd: int = -1,
    ) -> None:
        """Without a ``feed`` there is no ledger, and so on."""
        self._paths = paths
        self.feed = feed
        self._rollups = rollups
        self._live = live
        self._store = store
        self._aggregates = aggregates
        self._event_fd = event_fd
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rings: dict[int, _Ring] = {}
        self._closing = threading.Lock()
        """Held while a reader is closed, and by whoever asks readers something from another thread."""
        self._counted: dict[_Source, int] = {}
        """Sequence of the last record that is counted and perhaps not stored."""
        self._watched: list[Values] = []
        """Of the present batch, for those who watch, who hear of a request once the log has it or would not take it."""
        self._unsure = True
        """What is stored has to be asked of the log before anything is read."""
        self._look_at = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.taps: tuple[Tap, ...] = ()
        """Who is told of records as well, replaced as a whole."""
        self.choice = LogChoice()
        """May be replaced at any time."""
        self.stored = 0
        self.repeated = 0
        """Records read again after a crash and found in the log."""
        self.rejected = 0
        """Records that the log could not take at all."""
        self.blocked = False
        """The log refuses the present batch; rings and spill files fill up meanwhile."""

    # -- the thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read what is there one last time, then end the thread and let go of the rings."""
        self._stopping = True
        os.eventfd_write(self._wake_fd, 1)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for _ in range(100):
            self._drain_guarded()
            if self.blocked or not self._is_waiting():
                break
        if self._rollups is not None and not (self.blocked or self._counted):
            self._rollups.keep()
        with self._closing:
            for ring in self._rings.values():
                ring.reader.close()
            self._rings.clear()
        os.close(self._wake_fd)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        if self._event_fd >= 0:
            poll.register(self._event_fd, select.POLLIN)
        while not self._stopping:
            count = self._drain_guarded()
            if self.blocked:
                self._pause(poll, RETRY_S)
            elif count:
                time.sleep(BUSY_SLEEP_S if count >= EASY_BATCH else EASY_SLEEP_S)
            else:
                self._sleep(poll)

    def _sleep(self, poll: select.poll) -> None:
        if self._event_fd < 0:
            self._pause(poll, BLIND_SLEEP_S)
            return
        rings = list(self._rings.values())
        for ring in rings:
            ring.reader.sleeping(True)
        # Looked at again after the word is out: a record pushed in between has rung nobody.
        if not any(ring.reader.lag() for ring in rings):
            self._pause(poll, IDLE_SLEEP_S)
        for ring in rings:
            ring.reader.sleeping(False)

    @staticmethod
    def _pause(poll: select.poll, seconds: float) -> None:
        for fd, _ in poll.poll(seconds * 1000):
            try:
                os.eventfd_read(fd)
            except BlockingIOError:
                continue

    def _drain_guarded(self) -> int:
        try:
            return self.drain()
        except Exception:
            # The thread must not die of one batch: nothing was freed, so nothing is lost by trying again.
            log.exception("ingest failed")
            self._rewind()
            return 0

    # -- one round

    def drain(self) -> int:
        """One batch from every ring: read, count, store, free. How many records were stored; 0 as well while the log
        refuses (``blocked``)."""
        try:
            self._look_for_rings()
            if self._unsure:
                self._resume()
            if self.feed is not None:
                self.feed.replay()
            if self._rollups is not None and not self._counted:
                self._rollups.tend()
            if self._is_waiting():
                new = self._store_batch()
            else:
                new = 0
                self._store.settle()
        except StoreUnavailable:
            self._rewind()
            return 0
        self.blocked = False
        return new

    def _is_waiting(self) -> bool:
        return any(ring.reader.lag() for ring in self._rings.values())

    def _rewind(self) -> None:
        for ring in self._rings.values():
            ring.reader.resume(())
        self.blocked = self._unsure = True

    def _resume(self) -> None:
        """Read on behind what is stored, whatever was read before."""
        stored = self._store.positions()
        for slot, ring in self._rings.items():
            self.repeated += ring.reader.resume([stored[key] for key in ((slot, 0), (slot, 1)) if key in stored])
        self._free()
        self._unsure = False

    def _store_batch(self) -> int:
        positions: dict[_Source, tuple[int, int]] = {}
        try:
            new = self._store.append(self._read(positions), positions)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("a batch is not fit for the log; its records are taken one by one")
            self._resume()
            new = self._store_singly()
        finally:
            self._tell_watchers()
        self.stored += new
        self._counted = {}
        self._free()
        return new

    def _read(self, positions: dict[_Source, tuple[int, int]]) -> Iterator[Values]:
        """The values of a batch, counted, and in ``positions`` how far that comes. Ends once the ledger has what they
        cost: only then the log commits."""
        feed, rows = self.feed, []
        for ring in self._rings.values():
            left = BATCH
            while left > 0 and (values := ring.reader.read(min(left, PIECE))):
                source, reached = _last(values)
                self._count(values, source, reached[1])
                positions[source] = reached
                left -= len(values) // WIDTH
                if feed is not None:
                    rows += rows_of(values)
                if rowed := self.choice.of(values):
                    yield rowed
        if feed is not None:
            feed.keep(rows)

    def _count(self, values: Values, source: _Source, last: int) -> None:
        """Add what a try before this one has not added."""
        counted = self._counted.get(source, -1)
        if values[SEQUENCE] <= counted:
            records = [values[at : at + WIDTH] for at in range(0, len(values), WIDTH)]
            values = [value for record in records if record[SEQUENCE] > counted for value in record]
        self._aggregates.add(values)
        if self.taps:
            tell(self.taps, values, self.choice.told(values))
        if self._live is not None and self._live.wanted and (rowed := self.choice.of(values)):
            self._watched.append(rowed)
        self._counted[source] = max(last, counted)

    def _tell_watchers(self) -> None:
        watched, self._watched = self._watched, []
        if self._live is not None:
            for values in watched:
                self._live.offer(values)

    def _store_singly(self) -> int:
        new = 0
        for ring in self._rings.values():
            for _ in range(BATCH):
                values = ring.reader.read(1)
                if not values:
                    break
                source, reached = _last(values)
                self._count(values, source, reached[1])
                try:
                    if self.feed is not None:
                        self.feed.keep(rows_of(values))
                    rowed = self.choice.of(values)
                    new += self._store.append([rowed] if rowed else [], {source: reached})
                except StoreUnavailable:
                    raise
                except Exception:
                    self.rejected += 1
                    log.exception("record %s left out", values[: SEQUENCE + 1])
        return new

    def _free(self) -> None:
        for ring in self._rings.values():
            ring.reader.commit()

    def _look_for_rings(self) -> None:
        """Rings of the workers, and of those that an earlier run had more: their last records are wanted too."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + 0.5
        try:
            names = os.listdir(self._paths.runtime_dir)
        except FileNotFoundError:
            return
        for match in filter(None, map(_RING.fullmatch, names)):
            slot = int(match[1])
            ring = self._rings.get(slot)
            if ring is not None and ring.is_replaced():
                with self._closing:
                    self._rings.pop(slot).reader.close()
                self._counted = {source: at for source, at in self._counted.items() if source[0] != slot}
                ring = None
            if ring is None:
                try:
                    self._rings[slot] = _Ring(self._paths.ring(slot), self._paths.spill(slot))
                    self._unsure = True
                except (OSError, ValueError) as error:
                    log.debug("ring %d: %s", slot, error)

    # -- for metrics and readiness

    def lag(self) -> dict[int, int]:
        """Records waiting, by worker."""
        with self._closing:
            return {slot: ring.reader.lag() for slot, ring in sorted(self._rings.items())}

    def dropped(self) -> dict[int, int]:
        """Records that found ring and spill file full, by worker, since the ring was made."""
        return self._words(W_DROPPED)

    def spilled(self) -> dict[int, int]:
        """Records that went through the spill file, by worker, since the ring was made."""
        return self._words(W_SPILLED)

    def _words(self, word: int) -> dict[int, int]:
        return {slot: ring.word(word) for slot, ring in sorted(self._rings.items())}

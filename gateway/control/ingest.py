"""Records from the workers' rings into counters and the request log.

One thread reads all rings, a batch at a time: count, insert, free. A batch is freed only after the transaction that
holds its rows has been committed; killed in between, the next control process reads the batch again and the log's
unique key leaves out what is there. So every record is stored exactly once, whichever step the process dies at, and
while this process is dead the rings and their spill files hold what comes.

Under load the thread sleeps a fixed time between batches, so that one transaction carries many rows; when nothing comes
it tells the producers so and waits for their eventfd.
"""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
from collections.abc import Sequence

from _speedups._bucket import RingReader
from _speedups._ring_file import W_DROPPED, W_SPILLED
from gateway.control.aggregate import Aggregates
from gateway.control.trail import Texts, log_row, unpack
from gateway.processes.paths import Paths
from gateway.stores.protocols import LogStore, StoreUnavailable

log = logging.getLogger("microgate.ingest")

BATCH = 2048
"""Records of one ring in one transaction: at most some 15 ms of work, and a third of a 4 MiB ring."""

BUSY_SLEEP_S = 0.05
"""Between batches under load. A ring holds 5,900 records, which one worker fills in 0.2 s at the very most."""

IDLE_SLEEP_S = 1.0
"""Longest sleep with an eventfd: how late a new ring is noticed."""

BLIND_SLEEP_S = 0.1
"""Longest sleep without one."""

RETRY_S = 0.5
"""Between attempts to store a batch that the log would not take (disk full): well under the 5 s in which it must
recover."""

SPILL_BIT = 62
"""Sequences of spilled records carry this bit and count apart; positions are those of the ring itself."""

_RING = re.compile(r"ring-(\d+)", re.ASCII)


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

    def __init__(self, paths: Paths, store: LogStore, aggregates: Aggregates, *, event_fd: int = -1) -> None:
        self._paths = paths
        self._store = store
        self._aggregates = aggregates
        self._event_fd = event_fd
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rings: dict[int, _Ring] = {}
        self._closing = threading.Lock()
        """Held while a reader is closed, and by whoever asks readers something from another thread."""
        self._texts = Texts()
        self._rows: list[tuple[object, ...]] = []
        """Read, counted and not stored yet."""
        self._positions: dict[tuple[int, int], int] = {}
        self._look_at = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None
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
            if not self._drain_guarded() or self.blocked:
                break
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
                time.sleep(BUSY_SLEEP_S)
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
            self.blocked = True
            return 0

    # -- one round

    def drain(self) -> int:
        """One batch from every ring: read, count, store, free. How many records were read; 0 as well while the log
        refuses (``blocked``)."""
        if self._rows or self._positions:
            if not self._store_batch():
                return 0
            self._free()
        self._look_for_rings()
        count = 0
        for ring in self._rings.values():
            count += self._read(ring)
        if count and self._store_batch():
            self._free()
        return count

    def _read(self, ring: _Ring) -> int:
        records = ring.reader.read(BATCH)
        if not records:
            return 0
        add, texts, rows = self._aggregates.add, self._texts, self._rows
        positions = self._positions
        for slot, epoch, sequence, data in records:
            fields = unpack(data)
            add(fields)
            rows.append(log_row(slot, epoch, sequence, fields, texts))
            if not sequence >> SPILL_BIT:
                positions[slot, epoch] = sequence
        return len(records)

    def _store_batch(self) -> bool:
        rows = self._rows
        try:
            new = self._store.append(rows, self._positions)
        except StoreUnavailable:
            self.blocked = True
            return False
        except Exception:
            log.exception("a batch of %d records is not fit for the log; taken one by one", len(rows))
            new = self._store_singly(rows)
            if new < 0:
                self.blocked = True
                return False
        self.blocked = False
        self.stored += new
        self.repeated += len(rows) - new
        self._rows = []
        self._positions = {}
        return True

    def _store_singly(self, rows: Sequence[tuple[object, ...]]) -> int:
        """-1 when the log went away meanwhile."""
        new = 0
        for row in rows:
            try:
                new += self._store.append([row], {})
            except StoreUnavailable:
                return -1
            except Exception:
                self.rejected += 1
                log.exception("record %s left out", row[:3])
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
                ring = None
            if ring is None:
                try:
                    self._rings[slot] = _Ring(self._paths.ring(slot), self._paths.spill(slot))
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

"""The exact cache in an LMDB file of this host (``lmdb:///directory``): one process writes it, others read the same map
(``lmdb_reader.py``).

The file never grows beyond its map, whose size is chosen once; how much of it is in use is bounded by ``most_bytes``,
in whole pages, indexes included. What is over goes first, then what was stored longest ago.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import lmdb

from gateway.stores import lmdb_files as files
from gateway.stores.batches import BATCH_BYTES, Answers, batches
from gateway.stores.lmdb_entry import HEADER_BYTES, KEY_BYTES, index_rows, pack, unpack
from gateway.stores.protocols import StoreStatus, StoreUnavailable

log = logging.getLogger("microgate.cache")

MOST_BYTES = 1 << 30
LEAST_BYTES = 1 << 20
"""Below it the pages of the trees themselves would be a large part."""

LARGEST_SHARE = 8
"""An answer of more than an eighth of the whole would push out too much."""

EVICT_AT_ONCE = 8
"""Entries between two looks at how much is in use."""

SWEEP = 1024
"""Entries of one transaction that forgets: readers and writers come between two."""

_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)


class LmdbAnswers:
    """``AnswerStore`` over a directory. Calls may come from any thread."""

    def __init__(
        self, directory: str, most_bytes: int = MOST_BYTES, *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Raises StoreUnavailable when another process writes it; whatever else is wrong is tried again by the next
        call."""
        self.directory = directory
        self.most_bytes = max(most_bytes, LEAST_BYTES)
        self.most_value_bytes = self.most_bytes // LARGEST_SHARE
        """A larger answer is not kept."""
        self._clock = clock
        self._lock = threading.RLock()
        self._env: lmdb.Environment | None = None
        self._generation = ""
        self._mapped_bytes = 0
        self._stamp = 0
        self._problem = ""
        self._cannot_put = False
        self._too_large = 0
        self._lock_fd = -1
        try:
            self._lock_fd = files.take_lock(directory)
        except OSError as error:
            self._problem = _in_words(error)
            log.error("answer cache: %s", self._problem)  # noqa: TRY400 - the cause is in the line
        else:
            with contextlib.suppress(StoreUnavailable), self._guarded():
                pass

    @property
    def _map_bytes(self) -> int:
        # Pages that are free but lie awkwardly, and those that a transaction frees: no other uses them before the next
        # but one, nor while readers see them.
        return self.most_bytes + self.most_bytes // 2 + 4 * min(BATCH_BYTES, self.most_bytes) + (1 << 20)

    # -- the file

    @contextlib.contextmanager
    def _guarded(self, *, putting: bool = False) -> Iterator[lmdb.Environment]:
        """The open file, for one call at a time; its errors as StoreUnavailable. What kept answers from being put is
        the problem until some are: on a full disk all else still works."""
        with self._lock:
            try:
                yield self._env or self._open()
            except _DAMAGE as error:
                with contextlib.suppress(lmdb.Error, OSError):
                    self._begin_anew(f"its file is damaged ({error})")
                raise StoreUnavailable("answer cache: its file was damaged, a new one is begun") from error
            except (lmdb.Error, OSError) as error:
                problem = _in_words(error)
                if problem != self._problem:
                    log.error("answer cache: %s", problem)  # noqa: TRY400 - the cause is in the line
                self._problem = problem
                self._cannot_put |= putting
                raise StoreUnavailable(f"answer cache: {problem}") from error
            if putting or not self._cannot_put:
                self._problem, self._cannot_put = "", False

    def _open(self) -> lmdb.Environment:
        if self._lock_fd < 0:
            self._lock_fd = files.take_lock(self.directory)
        current = files.read_current(self.directory)
        if current is None:
            found = files.generations(self.directory)
            return self._begin_anew("nothing says which of its files is whole" if found else "")
        if reason := files.why_unusable(self.directory, current):
            return self._begin_anew(reason)
        env = self._use(current.generation, max(self._map_bytes, current.map_bytes))
        try:
            reason = files.why_unsound(env)
        except lmdb.Error as error:
            reason = f"its file is damaged ({error})"
        if reason:
            env.close()
            return self._begin_anew(reason)
        self._publish(env)
        return self._shrunk(env) if current.map_bytes > self._map_bytes else env

    def _shrunk(self, env: lmdb.Environment) -> lmdb.Environment:
        """What fits of a file that might be larger than it may be now, as a new file."""
        surplus = True
        while surplus:
            with env.begin(write=True) as txn:
                surplus = self._used(txn) > self.most_bytes and self._forget_oldest(txn, SWEEP) > 0
        return self._compact()

    def _begin_anew(self, reason: str) -> lmdb.Environment:
        if reason:
            log.warning("answer cache: %s; it is thrown away and begun anew", reason)
        self._close_file()
        # In this order nobody is ever led to a file that is not whole, and a full disk has room again.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(files.current_path(self.directory))
        files.forget(self.directory)
        return self._publish(self._use(files.new_generation(self.directory), self._map_bytes))

    def _use(self, generation: str, map_bytes: int) -> lmdb.Environment:
        env = files.open_writer(self.directory, generation, map_bytes)
        try:
            self._answers = env.open_db(files.ANSWERS)
            self._by_expiry = env.open_db(files.BY_EXPIRY)
            self._by_age = env.open_db(files.BY_AGE)
            with env.begin(self._by_age) as txn, txn.cursor() as cursor:
                self._stamp = int.from_bytes(cursor.key(), "big") if cursor.last() else 0
        except BaseException:
            env.close()
            raise
        self._generation, self._mapped_bytes = generation, map_bytes
        return env

    def _publish(self, env: lmdb.Environment) -> lmdb.Environment:
        try:
            self._say(os.getpid())
        except BaseException:
            env.close()
            raise
        files.forget(self.directory, but=self._generation)
        self._env = env
        return env

    def _say(self, pid: int) -> None:
        files.write_current(self.directory, files.Current(self._generation, self._mapped_bytes, files.boot_id(), pid))

    def _close_file(self) -> None:
        env, self._env = self._env, None
        if env is not None:
            env.close()

    def _compact(self) -> lmdb.Environment:
        """The same answers in a new file, without the holes of this one."""
        env = self._env
        assert env is not None
        try:
            generation = files.new_generation(self.directory)
            env.copy(os.path.join(self.directory, generation), compact=True)
        except (lmdb.Error, OSError) as error:
            return self._begin_anew(f"its file is full of holes and cannot be copied ({_in_words(error)})")
        self._close_file()
        return self._publish(self._use(generation, self._map_bytes))

    # -- AnswerStore

    def get(self, key: bytes) -> bytes | None:
        with self._guarded() as env, env.begin(self._answers, buffers=True) as txn:
            entry = txn.get(key)
            if entry is None:
                return None
            _, _, _, expires_ns, _, own_key = unpack(entry)
            return bytes(entry[HEADER_BYTES:]) if own_key == key and expires_ns > self._clock() else None

    def put(self, answers: Answers) -> None:
        for key, _, _ in answers:
            if len(key) != KEY_BYTES:
                raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        with self._guarded(putting=True) as env:
            for batch in batches(answers):
                try:
                    self._store(env, batch)
                except lmdb.MapFullError:
                    # Readers that were killed hold pages, or no free ones are beside each other.
                    env.reader_check()
                    env = self._compact()
                    self._store(env, batch)

    def _store(self, env: lmdb.Environment, answers: Answers) -> None:
        now_ns = self._clock()
        stamp, too_large = self._stamp, 0
        by_expiry: list[tuple[bytes, bytes]] = []
        by_age: list[tuple[bytes, bytes]] = []
        with env.begin(write=True) as txn:
            # The last of those under one key counts.
            for key, value, expires_ns in {answer[0]: answer for answer in answers}.values():
                if len(value) > self.most_value_bytes or expires_ns <= now_ns:
                    too_large += len(value) > self.most_value_bytes
                    self._delete(txn, key)
                    continue
                stamp += 1
                entry = pack(key, value, now_ns, expires_ns, stamp)
                if not txn.put(key, entry, overwrite=False, db=self._answers):
                    self._delete(txn, key)
                    txn.put(key, entry, db=self._answers)
                expiry, age = index_rows(expires_ns, stamp)
                by_expiry.append((expiry, key))
                by_age.append((age, key))
            with txn.cursor(self._by_expiry) as cursor:
                cursor.putmulti(by_expiry)
            with txn.cursor(self._by_age) as cursor:
                cursor.putmulti(by_age, append=True)
            self._make_room(txn, now_ns)
        self._stamp = stamp
        if too_large and not self._too_large:
            log.warning("answer cache: an answer of more than %d bytes is not kept", self.most_value_bytes)
        self._too_large += too_large

    def _delete(self, txn: lmdb.Transaction[bytes], key: bytes) -> int:
        """Forget an entry and its rows in the indexes. When it would have been forgotten; 0: it is not there."""
        entry = txn.pop(key, db=self._answers)
        if entry is None:
            return 0
        _, _, _, expires_ns, stamp, _ = unpack(entry)
        expiry, age = index_rows(expires_ns, stamp)
        txn.delete(expiry, db=self._by_expiry)
        txn.delete(age, db=self._by_age)
        return int(expires_ns)

    def _make_room(self, txn: lmdb.Transaction[bytes], now_ns: int) -> None:
        if self._used(txn) <= self.most_bytes:
            return
        self._forget_expired(txn, now_ns)
        # A little more than needed, so that not every transaction has to.
        while self._used(txn) > self.most_bytes - self.most_bytes // 64:
            if not self._forget_oldest(txn, EVICT_AT_ONCE):
                return

    def _forget_oldest(self, txn: lmdb.Transaction[bytes], most: int) -> int:
        with txn.cursor(self._by_age) as cursor:
            oldest = list(islice(cursor, most))
        for row, key in oldest:
            # A row that leads nowhere would otherwise be the oldest for ever.
            if not self._delete(txn, key):
                txn.delete(row, db=self._by_age)
        return len(oldest)

    def _used(self, txn: lmdb.Transaction[bytes]) -> int:
        pages = 0
        for database in (self._answers, self._by_expiry, self._by_age):
            stat = txn.stat(database)
            pages += stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        return pages * stat["psize"]

    def _forget_expired(self, txn: lmdb.Transaction[bytes], now_ns: int) -> int:
        """At most ``SWEEP``; how many."""
        over: list[tuple[bytes, bytes]] = []
        end = now_ns.to_bytes(8, "big") + b"\xff" * 8
        with txn.cursor(self._by_expiry) as cursor:
            for row, key in cursor:
                if row > end or len(over) == SWEEP:
                    break
                over.append((row, key))
        for row, key in over:
            if not self._delete(txn, key):
                txn.delete(row, db=self._by_expiry)
        return len(over)

    def remove(self, keys: Iterable[bytes]) -> int:
        now_ns = self._clock()
        with self._guarded() as env, env.begin(write=True) as txn:
            return sum(self._delete(txn, key) > now_ns for key in keys)

    def clear(self, scope: bytes = b"") -> int:
        self._sweep()
        if not scope:
            with self._guarded() as env, env.begin(write=True) as txn:
                cleared = int(txn.stat(self._answers)["entries"])
                for database in (self._answers, self._by_expiry, self._by_age):
                    txn.drop(database, delete=False)
                return cleared
        cleared = 0
        while keys := self._some_of(scope):
            cleared += self.remove(keys)
        return cleared

    def _some_of(self, scope: bytes) -> list[bytes]:
        keys: list[bytes] = []
        with self._guarded() as env, env.begin(self._answers) as txn, txn.cursor() as cursor:
            found = cursor.set_range(scope)
            while found and len(keys) < SWEEP and cursor.key().startswith(scope):
                keys.append(cursor.key())
                found = cursor.next()
        return keys

    def entries(self) -> Iterator[tuple[bytes, int, int]]:
        after = b""
        while True:
            # A transaction for each part: one that stayed open would keep pages from being used again.
            rows = self._some_entries(after)
            if not rows:
                return
            now_ns = self._clock()
            yield from (row for row in rows if row[2] > now_ns)
            after = rows[-1][0] + b"\0"

    def _some_entries(self, after: bytes) -> list[tuple[bytes, int, int]]:
        rows: list[tuple[bytes, int, int]] = []
        with self._guarded() as env, env.begin(self._answers, buffers=True) as txn, txn.cursor() as cursor:
            found = cursor.set_range(after) if after else cursor.first()
            while found and len(rows) < SWEEP:
                entry = cursor.value()
                rows.append((bytes(cursor.key()), len(entry) - HEADER_BYTES, int(unpack(entry)[3])))
                found = cursor.next()
        return rows

    def maintain(self) -> None:
        """Call it once a minute, and when a worker has died: what a killed reader had begun to read is kept until
        then."""
        with self._guarded() as env:
            env.reader_check()
        self._sweep()

    def _sweep(self) -> None:
        forgotten = SWEEP
        while forgotten == SWEEP:
            with self._guarded() as env, env.begin(write=True) as txn:
                forgotten = self._forget_expired(txn, self._clock())

    def status(self) -> StoreStatus:
        notes: tuple[str, ...] = ()
        if self._too_large:
            notes = (f"{self._too_large} answers of more than {self.most_value_bytes} bytes were not kept",)
        try:
            with self._guarded() as env, env.begin() as txn:
                entries = int(txn.stat(self._answers)["entries"])
                problem = f"answer cache: {self._problem}" if self._cannot_put else ""
                return StoreStatus(not problem, problem, notes, bytes=self._used(txn), entries=entries)
        except StoreUnavailable as error:
            return StoreStatus(False, str(error), notes)

    def close(self) -> None:
        """Everything is on the disk afterwards, so that it outlives a restart of the machine."""
        with self._lock:
            try:
                if self._env is not None:
                    self._env.sync(True)
                    self._close_file()
                    self._say(0)
            except (lmdb.Error, OSError) as error:
                log.warning("answer cache: %s; it will be verified, or begun anew, when it is opened", _in_words(error))
            finally:
                self._close_file()
                if self._lock_fd >= 0:
                    os.close(self._lock_fd)
                    self._lock_fd = -1


def _in_words(error: Exception) -> str:
    """What is wrong, without a path."""
    code = error.errno if isinstance(error, OSError) else getattr(error, "code", 0)
    if isinstance(error, lmdb.MapFullError):
        return "its file has no room for this"
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full ({os.strerror(code)})"
    if code == errno.EIO:
        # What LMDB makes of a write that came back short, which is how most disks say that they are full.
        return f"the disk is full or broken ({os.strerror(code)})"
    return os.strerror(code) if code and code > 0 else type(error).__name__

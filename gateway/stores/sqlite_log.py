"""The request log in SQLite: a directory of hourly segments (``sqlite_segment.py``), one writer process.

Positions of the record rings are stored in the transaction that stores the rows, and are carried from segment to
segment: a predecessor that died after its commit and before it freed the ring has left word of what is stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.stores import sqlite_segment as segment
from gateway.stores.contents import StoredContent
from gateway.stores.log_query import LogQuery
from gateway.stores.protocols import LogLimits, LogPage, Positions, StoreStatus, StoreUnavailable
from gateway.stores.sqlite_content import SqliteContent
from gateway.stores.sqlite_rules import describe, version_note
from gateway.stores.sqlite_search import Search

log = logging.getLogger("microgate.log")

PAGE_BUDGET_S = 0.25
"""A look-up that takes longer is answered in parts."""

SYNC_S = 0.5
"""How much of the log a loss of power may cost while rows come."""

_FROM_ITS_END = 10**17
"""Of a cursor: above the id of any row."""

_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d(?:-\d{1,6})?\.db)~(\d{1,18})", re.ASCII)


DEFAULT_LIMITS = LogLimits()


class SqliteLog:
    """``LogStore`` over a directory. ``append`` belongs to one thread, ``maintain`` to one thread, ``page`` to any."""

    def __init__(
        self,
        directory: str,
        *,
        limits: LogLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises StoreUnavailable only when another process has the log; whatever else is wrong is tried again by
        ``append``."""
        self.directory = directory
        self.limits = limits
        self._clock = clock
        self._problem = ""
        self._segment: segment.OpenSegment | None = None
        self._name: segment.SegmentName | None = None
        self._positions: dict[tuple[int, int], tuple[int, int]] = {}
        self._appended = False
        self._verify = False
        self._unsynced = 0.0
        """When the first row was stored that may not be on the disk yet; 0: all are."""
        self._contents = SqliteContent(os.path.join(directory, "content"))
        self._lock_fd = self._take_lock()
        with contextlib.suppress(StoreUnavailable), self._guarded():
            self._open()

    def _take_lock(self) -> int:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        fd = os.open(os.path.join(self.directory, "writer.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise StoreUnavailable("the request log is being written by another process") from error
        return fd

    # -- writing

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        with self._guarded():
            current = self._segment or self._open()
            if self._unsynced and time.monotonic() - self._unsynced > SYNC_S:
                self._sync(current)
            if self._appended:  # no segment is left empty, however low the limit
                current = self._roll_if_due(current)
            new = current.append(rows, positions)
            self._appended = True
            self._unsynced = self._unsynced or time.monotonic()
            self._positions.update(positions)
            self._problem = ""
            return new

    def settle(self) -> None:
        if self._unsynced and self._segment is not None:
            with self._guarded():
                self._sync(self._segment)

    def _sync(self, current: segment.OpenSegment) -> None:
        self._unsynced = 0.0
        current.sync()

    def positions(self) -> Positions:
        with self._guarded():
            # Asked of the file: after an error nothing else tells whether the batch is in it.
            self._positions = (self._segment or self._open()).positions()
            return dict(self._positions)

    def _open(self) -> segment.OpenSegment:
        """The newest segment, or a new one when there is none or the newest is no place for new rows."""
        names = segment.names_in(self.directory)
        if not names:
            return self._use(segment.SegmentName(segment.hour_of(self._clock()), 0))
        name = names[-1]
        try:
            found = self._use(name)
        except (segment.DamagedSegment, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._set_aside(name, error)
            return self._use(self._next_name(name))
        # A closed one is indexed and no longer the place for new rows; its successor was removed by hand.
        return self._use(self._next_name(name)) if found.is_closed else found

    def _use(self, name: segment.SegmentName) -> segment.OpenSegment:
        opened = segment.OpenSegment(os.path.join(self.directory, name.file), self._positions, verify=self._verify)
        if self._segment is not None:
            self._segment.close()
        self._segment, self._name, self._positions, self._verify = opened, name, opened.positions(), False
        return opened

    def _roll_if_due(self, current: segment.OpenSegment) -> segment.OpenSegment:
        assert self._name is not None
        # A clock set back must not reopen an older file: the newest one is simply used for longer.
        if segment.hour_of(self._clock()) > self._name.hour or current.bytes() > self.limits.segment_bytes:
            return self._use(self._next_name(self._name))
        return current

    def _next_name(self, name: segment.SegmentName) -> segment.SegmentName:
        hour = max(segment.hour_of(self._clock()), name.hour)
        return segment.SegmentName(hour, name.number + 1 if hour == name.hour else 0)

    def _set_aside(self, name: segment.SegmentName, error: Exception) -> None:
        """Under a name that nobody takes for a segment, with its WAL: nothing of it is thrown away or written over."""
        path = os.path.join(self.directory, name.file)
        log.error("request log: %s: %s; set aside as %s.damaged, a new segment is begun", name.file, error, name.file)
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + suffix, f"{path}.damaged{suffix}")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, segment.DamagedSegment, OSError) as error:
            problem = f"request log: {describe(error)}"
            if problem != self._problem:
                log.error("%s; records wait in the rings and the spool", problem)  # noqa: TRY400 - the cause is in the line
            self._problem = problem
            self._recover(error)
            raise StoreUnavailable(problem) from error

    def _recover(self, error: Exception) -> None:
        """Full or locked: the connection is sound, the next append tries again. Anything else: what the connection
        holds in memory may differ from the disk (a failed fsync is never repeated and believed), so it is dropped
        and the file is read through before it is used again."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if self._segment is None or code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return
        with contextlib.suppress(sqlite3.Error):
            self._segment.close()
        self._segment = None
        self._verify = True

    def mark(self) -> str:
        with self._guarded():
            current = self._segment or self._open()
            assert self._name is not None
            return f"{self._name.file}~{current.last_id()}"

    def keep_contents(self, contents: Iterable[StoredContent]) -> int:
        return self._contents.keep(contents)

    # -- reading

    def between(self, after: str, until: str, most: int) -> tuple[list[Sequence[object]], str]:
        first, above = self._start_of(after or None)
        last, end = self._start_of(until)
        if last is None or (first is not None and first > last):
            return [], until
        rows: list[Sequence[object]] = []
        try:
            for name in segment.names_in(self.directory):
                if (first is not None and name < first) or name > last:
                    continue
                low = above or 0 if name == first else 0
                high = end if name == last else None
                found = segment.rows_behind(os.path.join(self.directory, name.file), low, high, most - len(rows))
                rows += [row for _, row in found]
                if len(rows) >= most:
                    return rows, f"{name.file}~{found[-1][0]}"
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"request log: {describe(error)}") from error
        return rows, until

    def page(self, query: LogQuery) -> LogPage:
        before, below = self._start_of(query.cursor)
        try:
            names = [name for name in reversed(segment.names_in(self.directory)) if before is None or name <= before]
        except OSError as error:
            raise StoreUnavailable(f"request log: {describe(error)}") from error
        search = Search(query, self._contents, deadline=time.monotonic() + PAGE_BUDGET_S)
        for name, older in zip(names, [*names[1:], None], strict=True):
            path = os.path.join(self.directory, name.file)
            try:
                at = search.through(path, below if name == before else None)
            except (sqlite3.Error, OSError) as error:
                if not os.path.exists(path):  # retention was faster
                    continue
                raise StoreUnavailable(f"request log: {name.file}: {describe(error)}") from error
            if at is not None:
                return LogPage(search.rows, f"{name.file}~{at}")
            if older is not None and search.is_late:
                return LogPage(search.rows, f"{older.file}~{_FROM_ITS_END}")
        return LogPage(search.rows, None)

    def content(self, request_id: bytes, started_us: int) -> StoredContent | None:
        return self._contents.find(request_id, started_us)

    @staticmethod
    def _start_of(cursor: str | None) -> tuple[segment.SegmentName | None, int | None]:
        if cursor is None:
            return None, None
        match = _CURSOR.fullmatch(cursor)
        name = segment.parse_name(match[1]) if match else None
        if match is None or name is None:
            raise ValueError("not a cursor of the request log")
        return name, int(match[2])

    # -- keeping house

    def maintain(self) -> None:
        """Index closed segments, then drop what is older or more than ``limits`` allow. Errors are logged and tried
        again the next time."""
        names = segment.names_in(self.directory)[:-1]
        for name in names:
            try:
                if segment.finish(os.path.join(self.directory, name.file)):
                    log.debug("request log: %s indexed", name.file)
            except sqlite3.Error as error:
                log.warning("request log: %s not indexed: %s", name.file, error)
        self._retain(names)
        limits = self.limits
        age_s = min(limits.max_age_s, limits.content_max_age_s)
        self._contents.retain(self._clock() - age_s, limits.content_max_bytes)

    def _retain(self, names: Sequence[segment.SegmentName]) -> None:
        """The newest segment, which is being written, always stays."""
        oldest_hour = segment.hour_of(max(0.0, self._clock() - self.limits.max_age_s))
        spare = self.limits.max_bytes - (0 if self._segment is None else self._segment.bytes())
        for name in reversed(names):
            path = os.path.join(self.directory, name.file)
            spare -= segment.size_of(path)
            if name.hour < oldest_hour or spare < 0:
                log.info("request log: %s dropped (retention)", name.file)
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path + suffix)

    def status(self) -> StoreStatus:
        try:
            names = segment.names_in(self.directory)
            files = os.listdir(self.directory)
        except OSError as error:
            return StoreStatus(ok=False, problem=f"request log: {describe(error)}")
        notes = [note for note in (version_note(),) if note]
        notes += [f"{file} is damaged and was set aside" for file in sorted(files) if file.endswith(".db.damaged")]
        notes += [f"content/{file} is damaged and was set aside" for file in self._contents.damaged()]
        size = sum(segment.size_of(os.path.join(self.directory, name.file)) for name in names) + self._contents.bytes()
        return StoreStatus(not self._problem, self._problem, tuple(notes), size, len(names))

    def close(self) -> None:
        """Fold the WAL into the newest segment (SQLite does that when its last connection closes) and let go of it."""
        if self._lock_fd < 0:
            return
        if self._segment is not None:
            with contextlib.suppress(sqlite3.Error):
                self._segment.close()
            self._segment = None
        self._contents.close()
        os.close(self._lock_fd)
        self._lock_fd = -1


def open_log(path: str, instance: str = "") -> SqliteLog:
    """For ``stores/urls.py``: the log in directory ``path``, which one gateway has for itself."""
    return SqliteLog(path)

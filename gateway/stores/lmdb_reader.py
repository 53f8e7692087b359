"""What a worker sees of the LMDB cache: answers by key, read from the map that the cache process writes."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

import lmdb

from gateway.stores import lmdb_files as files
from gateway.stores.lmdb_entry import HEADER_BYTES, TIME_AND_KEY_FROM, time_and_key


class LmdbReader:
    """Made in the worker itself: LMDB must not be open across a fork. For one thread. Whatever is wrong with the file
    is a miss."""

    __slots__ = ("_answers", "_begin", "_clock", "_directory", "_env", "_generation", "_seen")

    def __init__(self, directory: str, *, clock: Callable[[], int] = time.time_ns) -> None:
        """``directory`` is the one of ``LmdbAnswers``, which need not be there yet."""
        self._directory = directory
        self._clock = clock
        self._env: lmdb.Environment | None = None
        self._seen = (0, 0)
        self._generation = ""
        self.refresh()

    def get(self, key: bytes) -> bytes | None:
        """The answer; None when there is none, or its time is over. 1.4 us for 2 KB."""
        if self._env is None:
            return None
        try:
            with self._begin(self._answers) as txn:
                entry = txn.get(key)
            if entry is None:
                return None
            # Copied twice, which costs less than a view of the map does.
            expires_ns, own_key = time_and_key(entry, TIME_AND_KEY_FROM)
        except (lmdb.Error, struct.error):
            # The file may be larger than what is mapped: another map is made when somebody looks.
            self._let_go()
            return None
        return entry[HEADER_BYTES:] if own_key == key and expires_ns > self._clock() else None

    def refresh(self) -> bool:
        """Look for a newer file (the cache process was started, or has begun it anew) at the cost of a stat; call it
        a few times a second. Whether there is one to read from."""
        try:
            found = os.stat(files.current_path(self._directory))
        except OSError:
            self._let_go()
            return False
        seen = (found.st_mtime_ns, found.st_ino)
        if seen == self._seen and self._env is not None:
            return True
        self._seen = seen
        current = files.read_current(self._directory)
        if current is None or current.generation != self._generation:
            self._let_go()
            if current is not None and files.is_alive(current):
                self._open(current)
        return self._env is not None

    def _open(self, current: files.Current) -> None:
        try:
            env = files.open_reader(self._directory, current)
        except lmdb.Error:
            return
        try:
            self._answers = env.open_db(files.ANSWERS, create=False)
        except lmdb.Error:
            env.close()
            return
        self._env, self._begin, self._generation = env, env.begin, current.generation

    def _let_go(self) -> None:
        env, self._env, self._generation = self._env, None, ""
        if env is not None:
            env.close()

    def close(self) -> None:
        self._let_go()

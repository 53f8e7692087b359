"""What was said, from the workers' files in shared memory to the request log: redacted, and each once.

On a thread of its own, so that neither records nor the loop wait for it. A file is removed once the log has what is in
it; whoever is killed in between has a successor that reads it again, and the log leaves out what it has.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from contextlib import suppress

import msgspec

from gateway.control.log_reading import give_way
from gateway.control.redaction import Redactor
from gateway.control.said import stored
from gateway.snapshot.content import unpacked
from gateway.stores.contents import StoredContent
from gateway.stores.protocols import LogStore, StoreUnavailable
from gateway.stores.sqlite_rules import describe

log = logging.getLogger("microgate.content")

BUSY_S = 0.1
IDLE_S = 0.5
"""Between two looks, where the last one has found something, or nothing."""

RETRY_S = 1.0
"""After the log could not take it."""

OLD_S = 60.0
"""A file that was not finished for so long is finished by nobody."""

_FILE = re.compile(r"content-\d+-\d{20}", re.ASCII)
_UNFINISHED = re.compile(r"content-\d+-\d{20}\.new", re.ASCII)


class ContentFeed:
    """``start`` and ``stop`` run it on its thread; tests call ``take``."""

    def __init__(self, directory: str, store: LogStore) -> None:
        self._directory = directory
        self._store = store
        self.redactor = Redactor()
        """May be replaced at any time."""
        self.stored = 0
        self.dropped = 0
        """Contents that found no room, as the workers tell it."""
        self.rejected = 0
        """Contents that could not be read or stored at all."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Later calls do nothing."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="contents", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take what is there one last time, and end the thread."""
        self._stopping.set()
        if self._thread is None:
            return
        self._thread.join()
        with suppress(StoreUnavailable, OSError):
            self.take()

    def _run(self) -> None:
        give_way()
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            try:
                wait_s = BUSY_S if self.take() else IDLE_S
            except (StoreUnavailable, OSError) as error:
                if wait_s != RETRY_S:
                    log.warning("what was said waits: %s", describe(error))
                wait_s = RETRY_S
            except Exception:
                log.exception("contents are not taken")
                wait_s = RETRY_S

    def take(self) -> int:
        """Everything that waits; how many files that were. Raises StoreUnavailable, OSError: what is left waits."""
        try:
            names = sorted(os.listdir(self._directory), key=lambda name: name[-20:])
        except FileNotFoundError:
            return 0
        count = 0
        for name in names:
            path = os.path.join(self._directory, name)
            if _FILE.fullmatch(name):
                self._take(path)
                count += 1
            elif _UNFINISHED.fullmatch(name):
                self._forget(path)
        return count

    def _take(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                batch = unpacked(file.read())
        except FileNotFoundError:
            return
        except msgspec.DecodeError as error:
            log.error("%s cannot be read: %s", os.path.basename(path), error)  # noqa: TRY400 - the cause is in the line
            self.rejected += 1
            os.unlink(path)
            return
        redactor = self.redactor
        contents = []
        for content in batch.contents:
            try:
                contents.append(stored(content, redactor))
            except Exception:
                # Its text is not told: it would stand unredacted in the log.
                log.error("the content of request %s is left out", content.request_id.hex())  # noqa: TRY400
                self.rejected += 1
        self._keep(contents)
        os.unlink(path)
        self.dropped += batch.dropped

    def _keep(self, contents: list[StoredContent]) -> None:
        """All that can be stored ever: what cannot would keep the others waiting for good. Raises StoreUnavailable."""
        try:
            self.stored += self._store.keep_contents(contents)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(contents) > 1:
                for content in contents:
                    self._keep([content])
                return
            # Its text is not told, which may have some of what was said in it.
            request = contents[0].request_id.hex() if contents else ""
            log.error("the content of request %s cannot be stored: %s", request, type(error).__name__)  # noqa: TRY400
            self.rejected += len(contents)

    @staticmethod
    def _forget(path: str) -> None:
        """What a worker that was killed has left unfinished."""
        with suppress(FileNotFoundError):
            if time.time() - os.stat(path).st_mtime > OLD_S:
                os.unlink(path)

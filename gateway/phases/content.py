"""What is said in a request and its answer, for those requests of which the log is to have it.

Nothing of this is on the way of other requests: as long as no virtual key's content is kept, there is no hook. Where it
is, an audience (``gateway.exchange.Audience``) hears the answer as its caller is sent it. What was heard goes in
batches to files in shared memory, which the control process takes from there (``gateway/control/content_feed.py``):
neither a slow disk nor a control process that is away keeps a request waiting, and nothing reaches a disk before it is
redacted.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

from _speedups._bytes import monotonic_ns, realtime_ns
from gateway import pipeline
from gateway.cache.captured import content_type
from gateway.core import Core
from gateway.exchange import Audience, Exchange
from gateway.records import Flags
from gateway.snapshot.content import Content, packed
from gateway.snapshot.model import Snapshot
from providers.operations import Operation

log = logging.getLogger("microgate.content")

FLUSH_S = 0.1
"""How long something waits for more to go with it."""
BATCH_BYTES = 1 << 20
"""So much goes at once, without waiting."""
MOST_WAITING = 64 << 20
"""In shared memory, of one worker, while control does not take it."""
LOOK_BYTES = 4 << 20
"""Written between two looks at how much waits."""
UNWANTED = int(Flags.UNLOGGED | Flags.CONTENT_DECLINED)
TEXTUAL = (b"application/json", b"text/", b"application/x-ndjson")
"""Beginnings of media types that are kept."""
EVENTS = b"text/event-stream"
JSON = b"application/json"
NOT_KEPT = frozenset((int(Operation.PASSTHROUGH), int(Operation.ADMIN)))


class Contents:
    """One a worker."""

    def __init__(self, core: Core, directory: str, place: int) -> None:
        self.core = core
        self._prefix = os.path.join(directory, f"content-{place}-")
        self._directory = directory
        self._full: frozenset[int] = frozenset()
        """Rule sets whose keys' contents are kept."""
        self.most = 0
        """Bytes that are kept of each side."""
        self._batch: list[Content] = []
        self._batch_bytes = 0
        self._unlooked = LOOK_BYTES
        self._waiting = 0
        self.dropped = 0
        """Not handed over, and not told of yet."""

    def follow(self, snapshot: Snapshot) -> None:
        """Keep what this configuration says."""
        general = snapshot.settings.log_content
        self.most = snapshot.settings.log_content_max
        self._full = frozenset(
            index for index, rules in enumerate(snapshot.rulesets) if (rules.log_content or general) == "full"
        )
        hooks = pipeline.HOOKS["routed"]
        if self.begin in hooks:
            hooks.remove(self.begin)
        if self._full:
            hooks.append(self.begin)

    def begin(self, x: Exchange) -> None:
        """A hook: hear the answer to ``x`` if it is to be kept."""
        principal, entry = x.principal, x.route
        if principal is None or entry is None or principal.ruleset not in self._full or x.flags & UNWANTED:
            return
        if not entry.websocket and x.operation not in NOT_KEPT:
            x.flight = Recording(self, self.most)

    def take(self, content: Content) -> None:
        size = len(content.request) + len(content.response)
        if self._batch_bytes + size > BATCH_BYTES:
            self.flush()
        if not self._batch:
            self.core.loop.call_later(FLUSH_S, self.flush)
        self._batch.append(content)
        self._batch_bytes += size

    def flush(self) -> None:
        """Hand over what is there."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        data = packed(batch, self.dropped)
        path = f"{self._prefix}{monotonic_ns():020d}"
        try:
            if self._waiting_bytes(len(data)) > MOST_WAITING:
                self.dropped += len(batch)
                return
            _write(path, data)
        except OSError as error:
            if not self.dropped:
                log.warning("what was said is not kept: %s", error.strerror or error)
            self.dropped += len(batch)
            return
        self.dropped = 0

    def _waiting_bytes(self, more: int) -> int:
        """That control has not taken yet, these ``more`` among them."""
        self._unlooked += more
        self._waiting += more
        if self._unlooked > LOOK_BYTES or self._waiting > MOST_WAITING:
            self._unlooked = 0
            own = os.path.basename(self._prefix)
            with os.scandir(self._directory) as entries:
                self._waiting = more + sum(entry.stat().st_size for entry in entries if entry.name.startswith(own))
        return self._waiting

    def close(self) -> None:
        self.flush()
        hooks = pipeline.HOOKS["routed"]
        if self.begin in hooks:
            hooks.remove(self.begin)


def _write(path: str, data: bytes) -> None:
    """All of it, or nothing: raises OSError."""
    new = path + ".new"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.rename(new, path)
    except OSError:
        # Half of it would keep memory from others.
        os.unlink(new)
        raise


class Recording(Audience):
    """What is kept of one exchange; between it and the cache's own audience, where there is one."""

    def __init__(self, contents: Contents, most: int) -> None:
        self.contents = contents
        self.most = most
        self.inner: Any = None
        self.media = b""
        self.parts: list[bytes] = []
        self.size = 0
        self.cut_off = False
        self.textual = False

    def beside(self, other: Audience) -> Audience:
        self.inner = other
        return self

    def begun(self, x: Exchange, length: int) -> None:
        self.hear(x)
        if self.inner is not None:
            self.inner.begun(x, length)

    def hear(self, x: Exchange) -> None:
        """An answer begins: what came before was none."""
        if x.translation is not None and not x.translation.same:
            media = EVENTS if x.stream else JSON
        else:
            media = content_type(x.answer_head)
        self.media = media
        self.textual = media.lower().startswith(TEXTUAL)
        self.parts = []
        self.size = 0
        self.cut_off = False

    def told(self, data: bytes) -> None:
        self.add(data)
        if self.inner is not None:
            self.inner.told(data)

    def add(self, data: bytes) -> None:
        if not self.textual or self.cut_off:
            return
        room = self.most - self.size
        if len(data) > room:
            data = data[:room]
            self.cut_off = True
        self.parts.append(data)
        self.size += len(data)

    def whole(self, x: Exchange, body: bytes) -> None:
        self.hear(x)
        self.add(body)
        if self.inner is not None:
            self.inner.whole(x, body)

    def cut(self, message: str, event: bytes) -> None:
        if self.inner is not None:
            self.inner.cut(message, event)

    def ending(self, x: Exchange) -> None:
        if self.inner is not None:
            self.inner.ending(x)

    def stays(self, x: Exchange) -> bool:
        return self.inner is not None and self.inner.stays(x)

    def hurried(self) -> bool:
        return self.inner is not None and self.inner.hurried()

    def over(self, x: Exchange, outcome: int) -> None:
        x.flight = None
        if self.inner is not None:
            self.inner.over(x, outcome)
        if x.unrecorded or x.flags & UNWANTED:
            return
        body = b"" if x.multipart else x.body
        self.contents.take(
            Content(
                request_id=bytes.fromhex(x.request_id.decode()),
                started_us=(realtime_ns() - monotonic_ns() + x.started_ns) // 1000,
                request=body[: self.most],
                response=b"".join(self.parts),
                media_type=self.media.decode("latin-1"),
                request_truncated=x.uploading or len(body) > self.most,
                response_truncated=self.cut_off,
            )
        )

"""The exact cache in Redis, shared by many hosts (``pip install 'microgate[redis]'``), imported when a URL names it.

    redis://user:password@host:port/database?prefix=microgate&timeout=0.5
    rediss://…                               over TLS; ca=/path/of/its/ca.pem

Gateways with the same ``prefix`` share answers. How much is kept is the server's business (``maxmemory``, with a policy
that evicts). No call waits longer than ``timeout`` seconds for the server to say something, and while it says nothing
hardly any is made.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError
from redis.retry import Retry

from gateway.stores.batches import Answers, batches
from gateway.stores.breaker import Breaker
from gateway.stores.protocols import StoreStatus, StoreUnavailable
from gateway.stores.store_url import parse

TIMEOUT_S = 0.5
PORT = 6379
LARGEST_BYTES = 64 << 20
"""Of an answer; the server itself takes 512 MiB."""

AT_ONCE = 500
"""Keys of one command."""

_PARAMETERS = ("ca", "prefix", "timeout")
_MAGIC = b"mga1"
_HEAD_BYTES = 8
_PATTERN = str.maketrans({letter: "\\" + letter for letter in "\\*?[]^-"})


class RedisAnswers:
    """``AnswerStore`` over a Redis server. Calls may come from any thread."""

    def __init__(self, url: str, most_bytes: int = 0, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Connects with the first call. ``most_bytes`` is the server's to decide. Raises ValueError for a URL that
        cannot be understood."""
        parts = parse(url, PORT, _PARAMETERS)
        if parts.name and not parts.name.isdecimal():
            raise ValueError("the URL of Redis ends in the number of a database, 0 when there is none")
        timeout_s = parts.seconds("timeout", TIMEOUT_S)
        self._prefix = (parts.parameters.get("prefix") or "microgate").encode() + b":"
        self._clock = clock
        self._too_large = 0
        self._breaker = Breaker("Redis")
        tls: dict[str, Any] = {}
        if parts.scheme == "rediss":
            tls = {"ssl": True, "ssl_ca_certs": parts.parameters.get("ca")}
        elif "ca" in parts.parameters:
            raise ValueError("ca is a parameter of rediss:// only")
        self._client = redis.Redis(
            host=parts.host,
            port=parts.port,
            db=int(parts.name or 0),
            username=parts.user,
            password=parts.password,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),  # the caller has no time for a second one
            protocol=2,
            **tls,
        )

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        self._breaker.admit()
        try:
            yield
        except (AuthenticationError, AuthorizationError) as error:
            self._fail("it refuses the name or password", error)
        except redis.TimeoutError as error:
            self._fail("it does not answer in time", error)
        except (redis.ConnectionError, OSError) as error:
            # What it was asked may have waited for a server that starts: that too is no answer.
            self._fail(f"not reachable ({_cause(error)})", error)
        except redis.RedisError as error:
            # It answers, and says no: full, read-only. What it has it still gives.
            self._breaker.worked()
            raise StoreUnavailable(f"Redis: it refuses ({type(error).__name__})") from error
        else:
            self._breaker.worked()

    def _fail(self, problem: str, error: Exception) -> None:
        self._breaker.failed(problem)
        raise StoreUnavailable(f"Redis: {problem}") from error

    def _pattern(self, scope: bytes = b"") -> bytes:
        return (self._prefix + scope).decode("latin-1").translate(_PATTERN).encode("latin-1") + b"*"

    def get(self, key: bytes) -> bytes | None:
        with self._guarded():
            found = cast("bytes | None", self._client.get(self._prefix + key))
        # Whoever else writes to this server, or wrote with another version, wrote no answer of ours.
        if found is None or found[:_HEAD_BYTES] != _head(key, memoryview(found)[_HEAD_BYTES:]):
            return None
        return found[_HEAD_BYTES:]

    def put(self, answers: Answers) -> None:
        for batch in batches(answers):
            now_ns = self._clock()
            with self._guarded(), self._client.pipeline(transaction=True) as pipe:
                for key, value, expires_ns in batch:
                    left_ms = (expires_ns - now_ns) // 1_000_000
                    if left_ms > 0 and len(value) <= LARGEST_BYTES:
                        pipe.set(self._prefix + key, _head(key, value) + value, px=left_ms)
                    else:
                        pipe.delete(self._prefix + key)
                        self._too_large += len(value) > LARGEST_BYTES
                pipe.execute()

    def remove(self, keys: Iterable[bytes]) -> int:
        names, removed = iter(keys), 0
        while some := [self._prefix + key for key in islice(names, AT_ONCE)]:
            with self._guarded():
                removed += self._client.unlink(*some)
        return removed

    def clear(self, scope: bytes = b"") -> int:
        return sum(self.remove(keys) for keys in self._scan(scope))

    def _scan(self, scope: bytes = b"") -> Iterator[list[bytes]]:
        """Keys of a scope, some at a time; while others write, one may come twice."""
        cursor = 0
        while True:
            with self._guarded():
                cursor, names = self._client.scan(cursor, match=self._pattern(scope), count=AT_ONCE)
            yield [name[len(self._prefix) :] for name in cast("list[bytes]", names)]
            if cursor == 0:
                return

    def entries(self) -> Iterator[tuple[bytes, int, int]]:
        seen: set[bytes] = set()
        for keys in self._scan():
            new = [key for key in keys if key not in seen]
            seen.update(new)
            with self._guarded(), self._client.pipeline(transaction=False) as pipe:
                for key in new:
                    pipe.strlen(self._prefix + key)
                    pipe.pttl(self._prefix + key)
                said = pipe.execute()
            now_ns = self._clock()
            for key, length, left_ms in zip(new, said[::2], said[1::2], strict=True):
                if left_ms > 0:
                    yield key, length - _HEAD_BYTES, now_ns + left_ms * 1_000_000

    def maintain(self) -> None:
        """Finds out whether a server that did not answer does again, so that no request has to."""
        if self._breaker.problem:
            with contextlib.suppress(StoreUnavailable), self._guarded():
                self._client.ping()

    def status(self) -> StoreStatus:
        """``bytes`` of the whole server, ``entries`` of the database, whoever uses them."""
        notes: tuple[str, ...] = ()
        if self._too_large:
            notes = (f"{self._too_large} answers of more than {LARGEST_BYTES} bytes were not kept",)
        try:
            with self._guarded():
                used, entries = int(self._client.info("memory")["used_memory"]), int(self._client.dbsize())
        except StoreUnavailable as error:
            return StoreStatus(False, str(error), notes)
        return StoreStatus(True, notes=notes, bytes=used, entries=entries)

    def close(self) -> None:
        self._client.close()


def _head(key: bytes, value: bytes | memoryview) -> bytes:
    return _MAGIC + zlib.crc32(value, zlib.crc32(key)).to_bytes(4, "little")


def _cause(error: Exception) -> str:
    """Its kind alone: the driver's own words name the host, and may name more."""
    inner = error.__cause__ or error.__context__
    return type(inner or error).__name__

"""Host names to addresses, off the event loop, remembered for at most thirty seconds while answers can be had."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable

MAX_TTL = 30.0
"""Seconds an answer is used; getaddrinfo tells no TTL, and providers fail over by DNS within minutes."""
REFRESH_AFTER = 15.0
"""Age at which an answer is renewed in the background, so that a busy host never waits."""
RETRY_AFTER = 2.0
"""Seconds between look-ups of a name that fails."""
THREADS = 4
"""Look-ups at once: names are few, and a dead name server holds a thread for tens of seconds."""

Lookup = Callable[[str], list[str]]


class DnsError(Exception):
    """A name has no address and no earlier answer to fall back on."""


def system_lookup(host: str) -> list[str]:
    """Addresses of ``host`` in the system's order of preference; blocks. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def interleave(addresses: list[str]) -> list[str]:
    """Alternate the address families, the first one's first (RFC 8305, 4): a dead family costs one attempt, not all."""
    first_is_v6 = bool(addresses) and ":" in addresses[0]
    ours = [a for a in addresses if (":" in a) == first_is_v6]
    others = [a for a in addresses if (":" in a) != first_is_v6]
    mixed: list[str] = []
    for i in range(max(len(ours), len(others))):
        mixed += ours[i : i + 1] + others[i : i + 1]
    return mixed


class _Entry:
    __slots__ = ("addresses", "fetched", "retry_at")

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.fetched = 0.0
        self.retry_at = 0.0


class Resolver:
    """The names one event loop looks up. Not thread-safe; make it after forking."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lookup: Lookup = system_lookup, ttl: float = MAX_TTL) -> None:
        self._loop = loop
        self._lookup = lookup
        self._ttl = min(ttl, MAX_TTL)
        self._refresh_after = self._ttl * REFRESH_AFTER / MAX_TTL
        self._entries: dict[str, _Entry] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(THREADS)

    def cached(self, host: str) -> list[str] | None:
        """Addresses usable now, best first, or None when ``resolve`` has to be awaited. Never blocks."""
        entry = self._entries.get(host)
        if entry is None:
            if not _is_address(host):
                return None
            entry = self._entries[host] = _Entry()
            entry.addresses = [host]
            entry.fetched = float("inf")
        now = self._loop.time()
        age = now - entry.fetched
        if not entry.addresses or (age >= self._ttl and now >= entry.retry_at):
            return None
        if age >= self._refresh_after and now >= entry.retry_at:
            self._refresh(host)
        return entry.addresses

    async def resolve(self, host: str) -> list[str]:
        """Addresses of ``host``, best first; one look-up serves all who ask meanwhile.

        While look-ups fail the last answer goes on being used. Raises DnsError when there is none. Cancelling a caller
        leaves the look-up running for the others.
        """
        found = self.cached(host)
        if found is not None:
            return found
        entry = self._entries.get(host)
        if entry is None or self._loop.time() >= entry.retry_at:
            await asyncio.shield(self._refresh(host))
            entry = self._entries[host]
        if not entry.addresses:
            raise DnsError(f"no address for {host}")
        return entry.addresses

    def prefer(self, host: str, address: str) -> None:
        """Put the address that just worked first."""
        entry = self._entries.get(host)
        if entry is not None and address in entry.addresses and entry.addresses[0] != address:
            entry.addresses = [address, *(a for a in entry.addresses if a != address)]

    async def close(self) -> None:
        """Stop waiting for look-ups under way; their threads end with the system call."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refresh(self, host: str) -> asyncio.Task[None]:
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = self._loop.create_task(self._fetch(host), name=f"dns {host}")
            task.add_done_callback(lambda _: self._running.pop(host, None))
        return task

    async def _fetch(self, host: str) -> None:
        entry = self._entries.setdefault(host, _Entry())
        async with self._slots:
            try:
                addresses = await self._in_thread(host)
            except OSError:
                addresses = []
        now = self._loop.time()
        if addresses:
            entry.addresses = interleave(addresses)
            entry.fetched = now
            entry.retry_at = 0.0
        else:
            entry.retry_at = now + RETRY_AFTER

    def _in_thread(self, host: str) -> asyncio.Future[list[str]]:
        # A daemon thread and not an executor: interpreter exit joins executors, and a dead name server would hold it.
        done: asyncio.Future[list[str]] = self._loop.create_future()

        def settle(addresses: list[str], error: OSError | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(addresses)

        def work() -> None:
            addresses: list[str] = []
            error: OSError | None = None
            try:
                addresses = self._lookup(host)
            except OSError as e:
                error = e
            except UnicodeError as e:  # the idna codec on a label of 64 or more characters
                error = OSError(str(e))
            try:
                self._loop.call_soon_threadsafe(settle, addresses, error)
            except RuntimeError:
                pass  # the loop closed while the look-up ran: nobody waits any more

        threading.Thread(target=work, name=f"dns {host}", daemon=True).start()
        return done


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

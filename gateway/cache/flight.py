"""Equal requests share one call: the first one leads, the others hear its answer (in-flight coalescing).

A ``Flight`` is the answer of one leading exchange while it comes. What its caller is sent is told to the flight as well
(``gateway.exchange.Audience``), which keeps it for those who join later and for the exact cache. Who joins has a
``Following`` in place of a connection to a provider: from the phases' point of view it is a request under way like any
other, with its own head, deadline and books. Joined requests are served behind the leader, a batch a turn of the loop,
each from where it is, so none of them slows the leader or another one.

The leader pays. When its caller goes away while others listen, the call goes on in its name to the end; it was made for
it, and the ledger has each call once. Who joined pays nothing, whatever comes of the call.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from _speedups._bytes import chunk, monotonic_ns
from gateway.cache.captured import Captured, Kept
from gateway.cache.joined import Following, Gone, begin, cut, joined, ordinary
from gateway.exchange import Exchange
from gateway.phases.settle import settle
from gateway.records import CacheVerdict, ErrorKind, Outcome
from gateway.relay import head_of
from gateway.server import keepalive

if TYPE_CHECKING:
    from gateway.core import Core

MOST_FOLLOWERS = 4096
"""Of one flight; the next one leads a flight of its own."""
BATCH = 64
"""Joined requests that are served in a turn of the loop, at 10 to 20 us each."""
MOST_FAILURES = 2
"""Leaders that fail before their answer begins; then each of the others asks for itself."""
MISS = int(CacheVerdict.MISS)
OK = int(Outcome.OK)
CACHED = int(Outcome.CACHED)
TRUNCATED = int(Outcome.TRUNCATED)
LAST_CHUNK = b"0\r\n\r\n"
TOO_SLOW = "The answer came faster than it was read."


class Flights:
    """Answers under way in one worker, by what was asked."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.under_way: dict[bytes, Flight] = {}
        self.kept = Kept()

    def enter(self, x: Exchange, key: bytes, share: bool, keep: bool) -> bool:
        """Whether ``x`` has joined an equal request, which answers it as well; else it is to ask a provider.

        ``key``: of what is asked and whose it is. ``share``: it may join, and be joined. ``keep``: ``core.cache.keep``
        is to have its answer.
        """
        if share and (x.deadline_ns or x.uploading or x.stateful or x.head_only or x.names or not x.targets):
            # Its own deadline would end the answer of others, and what it names or sends is its own.
            share = False
        if share:
            found = self.under_way.get(key)
            if found is not None:
                if found.takes(x):
                    found.add(x)
                    return True
                if len(found.followers) >= MOST_FOLLOWERS:
                    found.close()
                else:
                    share = False
        x.cache_verdict = MISS
        if share or keep:
            flight = Flight(self, x, key, keep, 0)
            # Of this exchange the request log keeps what is said.
            x.flight = flight if x.flight is None else x.flight.beside(flight)
            if share:
                flight.open = True
                self.under_way[key] = flight
        return False

    def ask(self, left: deque[Exchange]) -> None:
        """Have each of these ask for itself."""
        for _ in range(min(BATCH, len(left))):
            begin(left.popleft())
        if left:
            self.core.loop.call_soon(self.ask, left)


class Flight(Captured):
    """One answer, its leading exchange, and those who have joined it."""

    def __init__(self, flights: Flights, x: Exchange, key: bytes, keep: bool, failures: int) -> None:
        Captured.__init__(self, flights.core, flights.kept, key, keep)
        self.flights = flights
        self.x: Exchange | None = x
        """The leading exchange, until its books are closed."""
        self.failures = failures
        """Leaders before this one that had no answer."""
        self.open = False
        """Others find it by its key."""
        self.owner = 0
        """Virtual key that alone may have it, as its ids are sealed for that one; 0: others may as well."""
        self.followers: dict[Following, None] = {}
        self.queue: deque[Following] = deque()
        """Those for whom there is something."""
        self.scheduled = False

    # --- told by the leader

    def over(self, x: Exchange, outcome: int) -> None:
        x.flight = None
        self.x = None
        self.close()
        if not self.has_begun:
            if self.followers:
                self.core.loop.call_soon(self.hand_over)
            return
        self.end(x, outcome)
        if self.followers:
            self.wake()
        elif not self.keep:
            self.free()

    def stays(self, x: Exchange) -> bool:
        if self.gone or not self.followers:
            return False
        self.gone = True
        self.shown = x.sent_status if x.head_sent else 0
        x.caller = Gone()
        x.caller_paused = False
        x.commented = False
        if x.link is not None:
            x.link.resume()
        return True

    def hurried(self) -> bool:
        return self.complete and len(self.followers) > 0

    def wanted(self) -> bool:
        return len(self.followers) > 0

    def come(self) -> None:
        if self.followers:
            self.wake()

    def sealed(self, x: Exchange) -> None:
        self.keep = False
        self.owner = 0 if x.principal is None else x.principal.id_hash
        others: deque[Exchange] = deque()
        for following in list(self.followers):
            other = following.x
            if other is not None and (other.principal is None or other.principal.id_hash != self.owner):
                self.part(following)
                others.append(ordinary(other))
        if others:
            self.core.loop.call_soon(self.flights.ask, others)

    def overflow(self) -> None:
        """It is too long to be kept: nobody joins any more, and who has joined goes on as it comes."""
        self.complete = False
        self.keep = False
        self.close()
        x = self.x
        if x is not None and x.caller_paused and x.link is not None:
            x.link.pause()
        self.trim()

    def close(self) -> None:
        """Nobody finds it any more."""
        if self.open:
            self.open = False
            del self.flights.under_way[self.key]

    def trim(self) -> None:
        """Drop what nobody needs any more of an answer too long to be kept, and those who are too far behind."""
        if self.complete:
            return
        end = self.base + len(self.parts)
        self.drop(min([following.at for following in self.followers], default=end))
        if self.size <= self.most:
            return
        self.drop(min([following.at for following in self.followers if not following.paused], default=end))
        for following in list(self.followers):
            x = following.x
            if following.at < self.base and x is not None:
                self.part(following)
                cut(x, TRUNCATED, int(ErrorKind.TIMEOUT_WRITE), TOO_SLOW, b"")

    # --- those who have joined

    def takes(self, x: Exchange) -> bool:
        """Whether what the leader is sent is what ``x`` would be sent."""
        leader = self.x
        return (
            leader is not None
            and self.complete
            and len(self.followers) < MOST_FOLLOWERS
            and x.dialect == leader.dialect
            and x.operation == leader.operation
            and x.stream == leader.stream
            and x.include_usage == leader.include_usage
            and x.query == leader.query
            and x.pinned == leader.pinned
            and (self.owner == 0 or (x.principal is not None and x.principal.id_hash == self.owner))
        )

    def add(self, x: Exchange) -> None:
        following = joined(x, self)
        self.followers[following] = None
        if self.has_begun:
            self.enqueue(following)

    def part(self, following: Following) -> None:
        """It is none of those who have joined any more."""
        self.followers.pop(following, None)
        x = following.x
        following.x = None
        following.deadline_ns = 0
        if x is not None and x.link is following:
            x.link = None

    def leave(self, following: Following) -> None:
        """Its request is over before the answer is."""
        if following not in self.followers:
            return
        self.part(following)
        if self.followers:
            return
        x = self.x
        if x is None:
            if self.ended and not self.keep:
                self.free()
        elif self.gone:
            # Nobody is left who wants it.
            x.attempts.caller_gone(x)
        elif x.caller_paused and x.link is not None:
            x.link.pause()

    def wake(self) -> None:
        """There is something for everybody."""
        for following in self.followers:
            if not following.queued and not following.paused:
                following.queued = True
                self.queue.append(following)
        self.schedule()

    def enqueue(self, following: Following) -> None:
        if not following.queued:
            following.queued = True
            self.queue.append(following)
        self.schedule()

    def schedule(self) -> None:
        if not self.scheduled and self.queue:
            self.scheduled = True
            self.core.loop.call_soon(self.pump)

    def pump(self) -> None:
        """Serve the next batch; each has all that has come for it in one write."""
        self.scheduled = False
        queue = self.queue
        for _ in range(min(BATCH, len(queue))):
            following = queue.popleft()
            following.queued = False
            x = following.x
            if x is None or following.paused:
                continue
            try:
                self.deliver(following, x)
            except Exception as error:
                self.part(following)
                self.core.fault(x, error)
        if queue:
            self.schedule()
        elif self.ended and not self.followers and not self.keep:
            self.free()
        else:
            self.trim()

    def deliver(self, following: Following, x: Exchange) -> None:
        if x.ended:
            self.leave(following)
            return
        if not self.has_begun or (self.at_once and not self.ended):
            return
        parts = self.parts if following.at == self.base else self.parts[following.at - self.base :]
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        following.at = self.base + len(self.parts)
        begins = not x.head_sent
        out = self.head_for(x) if begins else b""
        if x.flight is not None:
            if begins:
                x.flight.begun(x, self.length)
            x.flight.told(data)
        if data:
            x.chunks += 1
            x.response_bytes += len(data)
            out += chunk(data) if x.chunked else data
        caller = x.caller
        if self.ended and not self.broken:
            self.part(following)
            self.finish(x, out)
            return
        if caller is not None and out:
            caller.answer(out)
        if self.ended:
            self.part(following)
            cut(x, TRUNCATED, self.error_kind, self.message, self.event)
        elif x.commented:
            keepalive.note(x, data)
        elif begins and self.streamed:
            keepalive.watch(x, data)

    def head_for(self, x: Exchange) -> bytes:
        x.status = x.sent_status = self.status
        x.answer_head = self.answer_head
        x.answer_length = self.length
        x.target = self.target
        x.first_byte_ns = monotonic_ns()
        if self.ended:
            x.last_byte_ns = max(self.last_byte_ns, x.sent_ns)
        x.head_sent = True
        return head_of(x, self.length, b"")

    def finish(self, x: Exchange, out: bytes) -> None:
        """The answer has come to its end, and ``out`` is the last of it."""
        x.last_byte_ns = max(self.last_byte_ns, x.sent_ns)
        x.prompt = self.prompt
        x.completion = self.completion
        x.error_kind = self.error_kind
        settle(x, CACHED if self.outcome == OK else self.outcome)
        caller = x.caller
        if caller is not None:
            caller.answer(out + LAST_CHUNK if x.chunked else out)
            caller.answered(x, True)

    def hand_over(self) -> None:
        """The leader has failed before there was an answer: the first of the others asks, for those behind it too."""
        left: deque[Exchange] = deque()
        for following in list(self.followers):
            x = following.x
            self.part(following)
            if x is not None and not x.ended:
                left.append(ordinary(x))
        if not left:
            return
        if self.failures + 1 >= MOST_FAILURES:
            self.flights.ask(left)
            return
        first = left.popleft()
        flight = Flight(self.flights, first, self.key, self.keep, self.failures + 1)
        first.flight = flight if first.flight is None else first.flight.beside(flight)
        if self.key not in self.flights.under_way:
            flight.open = True
            self.flights.under_way[self.key] = flight
        for x in left:
            flight.add(x)
        begin(first)

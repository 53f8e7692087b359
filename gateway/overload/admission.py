"""Who is let in: slots for requests under way, a bounded queue before them, and who is turned away.

While fewer than ``easy`` requests are under way, a request pays for one comparison and two counts. Beyond it, its
key's priority and share decide whether it has a slot, waits for one, or is refused, at its head where that can be.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from _speedups._bytes import monotonic_ns
from gateway.overload import slots
from gateway.overload.patience import NEVER_NS, patience_ns
from gateway.overload.refusals import Reason, Refusals
from gateway.overload.slots import EASY_SHARE, NORMAL_SHARE
from gateway.routing.deadline import set_alarm

if TYPE_CHECKING:
    from gateway.errors import Response
    from gateway.principal import Principal

HELD = slots.HELD
WAITING = slots.WAITING
NORMAL = slots.NORMAL
HIGH = slots.HIGH
LOW = slots.LOW
PRIORITY_SHIFT = slots.PRIORITY_SHIFT
PRIORITY_BITS = slots.PRIORITY_BITS
HIGH_FLAG = slots.HIGH << slots.PRIORITY_SHIFT
RANKS = (HIGH, NORMAL, LOW)
"""In the order in which they are served."""

ADMIT = -1
WAIT = -2
FULL = int(Reason.FULL)
LATE = int(Reason.LATE)
EXPIRED = int(Reason.EXPIRED)
SHARE = int(Reason.SHARE)
LAG = int(Reason.LAG)
MEMORY = int(Reason.MEMORY)

SOONER_SHIFT, LATER_SHIFT = 2, 5
"""``Admission.soonest`` goes a quarter of the way to a sooner answer, a thirty-second to a later one."""

RECORDED_A_SECOND = 100
"""Refusals that leave a record of their own: a flood of them would fill the request log with what was not done."""


class Admission:
    """Of one worker. Times are nanoseconds of the monotonic clock."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.under_way = 0
        self.easy = 1 << 30
        """Below this many under way nobody is looked at."""
        self.high_held = 0
        """Slots held by keys of high priority."""
        self.active_keys = 0
        """Keys with requests that hold or wait for a slot."""
        self.waiting = 0
        self.limit = 1 << 30
        """Slots there are."""
        self.ceiling = 1 << 30
        """Slots in use for now: fewer when the loop is late."""
        self.low_line = 1 << 30
        self.normal_line = 1 << 30
        self.high_line = 1 << 30
        self.reserve = 1 << 30
        """Slots that keys of high priority have in any case: fewer slots do not end what holds them."""
        self.room = 0
        """Places in the queue."""
        self.patience = 1_000_000_000
        """Longest wait."""
        self.target = 100_000_000
        """Longest wait in a queue that stands (see ``standing``)."""
        self.shut = False
        """No memory is left: nobody is let in."""
        self.queues: list[deque[tuple[int, Any]]] = [deque(), deque(), deque()]
        """By rank: (when its caller stops waiting, exchange), in order of arrival."""
        self.empty_ns = 0
        """When the queue was last seen empty."""
        self.lag = 0
        """How late the loop is."""
        self.soonest = 0
        """After how long the soonest answers begin, as far as was seen while others waited; 0: nothing was."""
        self.scheduled = False
        self.refused = [0] * len(Reason)
        """By reason."""
        self.refusals = Refusals()
        self.second = 0
        self.recorded = 0
        # Set by gateway.runtime: the phases that a request goes on with, and the end of one that is refused.
        self.go_on: Any = None
        self.end_locally: Any = None

    def allow(self, limit: int, ceiling: int, shut: bool) -> None:
        """``limit`` slots, of which ``ceiling`` are in use for now; ``shut``: nobody is let in."""
        self.limit = limit
        self.ceiling = ceiling = min(limit, max(1, ceiling))
        self.shut = shut
        self.high_line = ceiling
        self.normal_line = max(1, int(ceiling * NORMAL_SHARE))
        self.reserve = max(1, ceiling - self.normal_line)
        self.low_line = max(1, int(ceiling * EASY_SHARE))
        self.easy = 0 if shut else min(int(ceiling * EASY_SHARE), self.normal_line)
        self.schedule()

    # --- on every request's way

    def take(self, principal: Principal | None) -> None:
        """A slot for a request of ``principal``."""
        self.hold(principal)
        self.claim(principal)

    def hold(self, principal: Principal | None) -> None:
        self.under_way += 1
        if principal is not None and principal.flags & HIGH_FLAG:
            self.high_held += 1

    def claim(self, principal: Principal | None) -> None:
        if principal is not None:
            if principal.claims == 0:
                self.active_keys += 1
            principal.claims += 1

    def leave(self, slot: int, principal: Principal | None) -> None:
        """A request has ended: its slot, or its place in the queue, is free."""
        if principal is not None:
            principal.claims -= 1
            if principal.claims == 0:
                self.active_keys -= 1
        if slot == HELD:
            self.under_way -= 1
            if principal is not None and principal.flags & HIGH_FLAG:
                self.high_held -= 1
        else:
            self.waiting -= 1
        if self.waiting:
            self.schedule()

    def answered(self, took_ns: int) -> None:
        """Learn how soon answers begin; called while others wait. More of the sooner ones: a caller is turned away
        only where even those would come too late."""
        above = took_ns - self.soonest
        if self.soonest == 0:
            self.soonest = took_ns
        else:
            self.soonest += above >> (LATER_SHIFT if above > 0 else SOONER_SHIFT)

    def has_time(self) -> bool:
        """Whether there is more than callers need: nobody waits, and not half of what everybody may have is in use."""
        return self.waiting == 0 and 2 * self.under_way < self.easy

    # --- under pressure

    def now(self) -> int:
        return monotonic_ns()

    def at_head(self, x: Any) -> Response | None:
        """A refusal, before the body is read, of a request that would be refused behind it; else None."""
        verdict = self.judge(x)
        if verdict == WAIT and x.route is not None and x.route.own:
            # A session would hold its place in the queue for as long as its slot: it has neither.
            verdict = self.full()
        return None if verdict < 0 else self.refusal(x, verdict)

    def enter(self, x: Any) -> bool:
        """Whether ``x`` has a slot; else it waits for one, or has been answered."""
        verdict = self.judge(x)
        if verdict == ADMIT:
            self.take(x.principal)
            x.slot = HELD
            return True
        if verdict == WAIT:
            self.park(x)
        else:
            self.end_locally(x, self.refusal(x, verdict))
        return False

    def judge(self, x: Any) -> int:
        """``ADMIT``, ``WAIT``, or the reason for which ``x`` is refused."""
        if self.shut:
            return MEMORY
        principal = x.principal
        rank = rank_of(principal)
        if rank != HIGH and self.active_keys > 1 and principal is not None and principal.claims >= self.share():
            return SHARE
        if self.has_slot(rank) and not self.ahead(rank):
            return ADMIT
        room = self.room
        if self.ceiling < self.limit and self.ceiling < room:
            # It is the processor that is short: a long queue would only take more of it.
            room = self.ceiling
        if self.waiting < room or self.lower(rank) >= 0:
            return WAIT
        return self.full()

    def full(self) -> int:
        return LAG if self.ceiling < self.limit else FULL

    def share(self) -> int:
        """Slots that one key may hold while others want some: an equal part of those for all. What keys leave of
        theirs is had by the others below ``easy``, where no share is asked for (max-min)."""
        return max(1, self.normal_line // self.active_keys)

    def has_slot(self, rank: int) -> bool:
        """Whether there is one for a request of this rank."""
        if rank == HIGH:
            return self.under_way < self.high_line or self.high_held < self.reserve
        return self.under_way < (self.normal_line if rank == NORMAL else self.low_line)

    def ahead(self, rank: int) -> bool:
        """Whether somebody of this rank or a higher one waits."""
        if self.waiting == 0:
            return False
        if self.queues[HIGH] or (rank != HIGH and self.queues[NORMAL]):
            return True
        return rank == LOW and len(self.queues[LOW]) > 0

    def lower(self, rank: int) -> int:
        """A rank below this one of which somebody waits; -1: none."""
        if rank != LOW and self.queues[LOW]:
            return LOW
        return NORMAL if rank == HIGH and self.queues[NORMAL] else -1

    def park(self, x: Any) -> None:
        now_ns = self.now()
        if self.waiting == 0:
            self.empty_ns = now_ns
        rank = rank_of(x.principal)
        lower = self.lower(rank)
        if self.waiting >= self.room and lower >= 0:
            self.displace(lower)
        x.slot = WAITING
        x.queued_ns = now_ns
        self.waiting += 1
        self.claim(x.principal)
        expires_ns = x.deadline_ns
        if expires_ns:
            set_alarm(x, expires_ns)
        else:
            patience = patience_ns(x.head)
            expires_ns = NEVER_NS if patience == NEVER_NS else x.complete_ns + patience
        # As long as the loop is late, it may have stood in the socket's buffer already.
        self.queues[rank].append((expires_ns - self.lag, x))
        self.schedule()

    def displace(self, rank: int) -> None:
        """The one of this rank that has waited longest makes room for a higher one."""
        queue = self.queues[rank]
        while queue:
            _, x = queue.popleft()
            if x.slot == WAITING:
                self.end_locally(x, self.refusal(x, self.full()))
                return

    def schedule(self) -> None:
        """Let those in who can be, behind what runs now: whoever made room has not answered yet."""
        if self.waiting and not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.advance)

    def standing(self, now_ns: int) -> bool:
        """Whether the queue is more than a burst: it has not been empty for as long as anybody may wait, or there are
        fewer slots because the loop is late."""
        return self.waiting > 0 and (self.ceiling < self.limit or now_ns - self.empty_ns > self.patience)

    def advance(self) -> None:
        """Let in who waits, as far as there is room.

        In order of arrival; in a standing queue those who have waited beyond the target are refused instead. With the
        newest first the median would wait less and one in a hundred six times as long (docs/overload.md).
        """
        self.scheduled = False
        now_ns = self.now()
        standing = self.standing(now_ns)
        for rank in RANKS:
            queue = self.queues[rank]
            while queue and self.has_slot(rank) and not self.shut:
                expires_ns, x = queue.popleft()
                if x.slot != WAITING:
                    continue
                reason = self.overdue(x, expires_ns, now_ns, standing)
                if reason >= 0:
                    self.end_locally(x, self.refusal(x, reason))
                    continue
                self.waiting -= 1
                self.hold(x.principal)
                x.slot = HELD
                x.dial_ns += now_ns - x.queued_ns
                self.go_on(x)
            if queue:
                break
        if self.waiting == 0:
            self.empty_ns = now_ns

    def overdue(self, x: Any, expires_ns: int, now_ns: int, standing: bool) -> int:
        """The reason for which a waiting request is refused now; -1: none. Its answer would take as long as the soonest
        ones do, and wait to be heard for as long as the loop is late."""
        if now_ns + self.lag + self.soonest >= expires_ns:
            return EXPIRED
        return LATE if now_ns - x.queued_ns > (self.target if standing else self.patience) else -1

    def expired(self, x: Any) -> None:
        """Nobody waits any more for ``x``, which has no slot yet."""
        if x.slot == WAITING:
            self.end_locally(x, self.refusal(x, EXPIRED))

    def expire(self) -> None:
        """Refuse who has waited too long, and forget who has gone; every 100 ms."""
        if not self.waiting and not any(self.queues):
            return
        now_ns = self.now()
        standing = self.standing(now_ns)
        for rank in RANKS:
            queue, self.queues[rank] = self.queues[rank], deque()
            for entry in queue:
                expires_ns, x = entry
                if x.slot != WAITING:
                    continue
                reason = self.overdue(x, expires_ns, now_ns, standing)
                if reason >= 0:
                    self.end_locally(x, self.refusal(x, reason))
                else:
                    self.queues[rank].append(entry)
        if self.waiting == 0:
            self.empty_ns = now_ns

    def refusal(self, x: Any, reason: int) -> Response:
        """The answer to a request that is turned away."""
        self.refused[reason] += 1
        second = x.started_ns // 1_000_000_000
        if second != self.second:
            self.second = second
            self.recorded = 0
        self.recorded += 1
        x.unrecorded = self.recorded > RECORDED_A_SECOND
        return self.refusals.of(reason, x.dialect, x.request_id)


def rank_of(principal: Principal | None) -> int:
    """``NORMAL``, ``HIGH`` or ``LOW``."""
    return NORMAL if principal is None else (principal.flags >> PRIORITY_SHIFT) & PRIORITY_BITS

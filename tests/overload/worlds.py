"""An admission with a clock and a loop of the test's own, and requests that are nothing but their slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import Response
from gateway.overload.admission import Admission
from gateway.overload.refusals import Reason
from gateway.principal import Principal

SECOND = 1_000_000_000
HIGH, LOW = 16, 32


def key(flags: int = 0) -> Principal:
    """A virtual key of its own."""
    return Principal(0, 0, 1, flags, 0, [], 0, 0)


class Request:
    """What admission looks at of an exchange."""

    def __init__(self, principal: Principal, head: bytes = b"") -> None:
        self.principal = principal
        self.head = b"POST / HTTP/1.1\r\n" + head + b"\r\n"
        self.request_id = b"0" * 31 + b"1"
        self.dialect = 1
        self.route: Any = None
        self.slot = 0
        self.queued_ns = self.dial_ns = self.started_ns = self.complete_ns = self.deadline_ns = 0
        self.alarm: Any = None
        self.core: Any = None
        self.unrecorded = False


class Clocked(Admission):
    """By the test's clock."""

    def __init__(self, world: World) -> None:
        Admission.__init__(self, world)
        self.world = world

    def now(self) -> int:
        return self.world.now_ns


class World:
    """``pass_time`` moves the clock; ``turn`` is a turn of the loop."""

    def __init__(self) -> None:
        self.now_ns = 1000 * SECOND
        self.calls: list[Callable[[], None]] = []
        self.alarms: list[Callable[[], None]] = []
        self.loop = self
        self.begun: list[Request] = []
        self.refused: list[tuple[Request, Reason]] = []
        self.admission = Clocked(self)
        self.admission.go_on = self.begun.append
        self.admission.end_locally = self._end
        self._before: list[int] = list(self.admission.refused)

    def call_soon(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def call_later(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        self.alarms.append(lambda: call(*arguments))

    def ring(self) -> None:
        """Every timer's time has come."""
        alarms, self.alarms = self.alarms, []
        for alarm in alarms:
            alarm()

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def pass_time(self, seconds: float) -> None:
        """As the guard does: those who waited too long are looked for afterwards."""
        self.now_ns += int(seconds * SECOND)
        self.admission.expire()
        self.turn()

    def _end(self, x: Request, response: Response) -> None:
        now = list(self.admission.refused)
        (index,) = (i for i, (a, b) in enumerate(zip(now, self._before, strict=True)) if a != b)
        self._before = now
        assert response.status == 503
        self.refused.append((x, Reason(index)))
        self.end(x)

    def ask(self, principal: Principal, head: bytes = b"", deadline_s: float = 0) -> Request:
        """As ``gateway.pipeline.run`` does."""
        x = Request(principal, head)
        x.core = self
        x.started_ns = x.complete_ns = self.now_ns
        if deadline_s:
            x.deadline_ns = self.now_ns + int(deadline_s * SECOND)
        if self.admission.under_way < self.admission.easy:
            self.admission.take(principal)
            x.slot = 1
            self.begun.append(x)
        elif self.admission.enter(x):
            self.begun.append(x)
        return x

    def end(self, x: Request) -> None:
        """As ``settle`` does."""
        if x.slot:
            self.admission.leave(x.slot, x.principal)
            x.slot = 0

    def why(self, x: Request) -> Reason | None:
        return next((reason for refused, reason in self.refused if refused is x), None)


def world(slots: int, queue: int, wait_s: float = 1.0) -> World:
    """Of ``slots`` slots, 0.6 of them for everybody and 0.8 for keys of normal priority."""
    made = World()
    made.admission.room = queue
    made.admission.patience = int(wait_s * SECOND)
    made.admission.target = SECOND // 10
    made.admission.allow(slots, slots, False)
    return made

"""Looks at a worker ten times a second and sets what its admission allows: loop lag, memory, those who wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from _speedups._bytes import monotonic_ns
from gateway.overload.brake import Brake
from gateway.overload.memory import Meter
from gateway.processes.channel import Pressure
from gateway.processes.kernel import trim_memory
from gateway.snapshot.model import Overload

if TYPE_CHECKING:
    from gateway.core import Core

log = logging.getLogger("microgate.overload")

BYTES_A_REQUEST = 65536
"""For which memory is counted on: a request under way takes about 10 KB beside its body."""
REQUESTS_SHARE = 2
"""Half of the memory is theirs."""

THRIFTY = 0.85
"""Share of the memory from which connections are closed behind their answer."""
SHUT = 0.92
"""From which no request is let in."""
CUT = 0.96
"""From which the largest exchanges are given up."""
CALMER = 0.02
"""So much below its bound a step is taken back: readings waver."""
STEPS = (THRIFTY, SHUT, CUT)

WORTH_CUTTING = 65536
"""What holds less is not what fills the memory."""
MOST_CUT = 16
"""At a look: what was given up last shows in the next reading."""
TRIM_NS = 1_000_000_000
INTAKE_SHARE = 128
"""When callers have sent this part of the memory since it was last looked at, it is looked at again: there are ten such
looks between two steps, however late the timer comes."""


class Guard:
    """Of one worker. ``workers`` share the memory that ``meter`` reads."""

    def __init__(
        self, core: Core, workers: int, meter: Meter | None = None, trim: Callable[[], object] = trim_memory
    ) -> None:
        self.core = core
        self.workers = max(1, workers)
        self.meter = Meter() if meter is None else meter
        self.settings = Overload()
        self.brake = Brake(0)
        self.limit = 1
        self.step = 0
        """How many of ``STEPS`` the memory has gone up."""
        self.used, self.memory = self.meter.read()
        self.cut = 0
        """Exchanges given up for lack of memory."""
        self._trim = trim
        self._trimmed_ns = 0
        self._keepalive_age_ns = 0
        core.measure = self.taken_in

    def follow(self, settings: Overload) -> None:
        """Hold to these settings; the core has just taken over its own."""
        core = self.core
        self.settings = settings
        self.limit = settings.under_way or self.slots()
        self.brake.bound_ns = int(settings.loop_lag * 1e9)
        admission = core.admission
        admission.room = settings.queue
        admission.patience = int(settings.queue_wait * 1e9)
        admission.target = int(min(settings.queue_target, settings.queue_wait) * 1e9)
        self._keepalive_age_ns = core.keepalive_age_ns
        self.brake.ceiling = min(self.brake.ceiling, self.limit)
        core.intake = 0
        self.apply()

    def leave(self) -> None:
        """Every connection ends with its next answer from now on, whatever the memory and the loop come to."""
        self._keepalive_age_ns = -1
        self.apply()

    def slots(self) -> int:
        """Slots of a worker that nobody has set: by memory, and no more than connections need to be busy all at once
        (what keys of normal priority can use is less than all)."""
        by_memory = (self.settings.memory or self.meter.limit) // REQUESTS_SHARE // self.workers // BYTES_A_REQUEST
        return max(16, min(by_memory, self.core.max_connections * 5 // 4 + 1))

    def apply(self) -> None:
        # A connection that is too old is closed behind its answer: so is every one while memory is short.
        self.core.keepalive_age_ns = -1 if self.step else self._keepalive_age_ns
        self.core.admission.allow(self.limit, self.brake.ceiling, self.step >= 2)

    def look(self, lag_ns: int) -> None:
        """Ten times a second; ``lag_ns``: by how much it comes late."""
        admission = self.core.admission
        admission.lag = lag_ns
        admission.expire()
        now_ns = monotonic_ns()
        if self.brake.sample(max(0, lag_ns), admission.under_way, self.limit, now_ns):
            self.measure(now_ns)
            self.apply()

    def taken_in(self) -> None:
        """Callers have sent ``core.intake`` bytes."""
        self.measure(monotonic_ns())
        self.apply()

    def measure(self, now_ns: int) -> None:
        """Read the memory, and do what its step asks for."""
        used, memory = self.meter.read()
        if self.settings.memory:
            memory = self.settings.memory
        self.core.intake = memory // INTAKE_SHARE // self.workers
        self.used, self.memory = used, memory
        share = used / memory
        step = self.step
        while step < len(STEPS) and share >= STEPS[step]:
            step += 1
        while step and share < STEPS[step - 1] - CALMER:
            step -= 1
        if step != self.step:
            log.warning(
                "%d %% of the memory are in use: %s",
                round(share * 100),
                ("all is served", "connections are not kept", "new requests are refused", "the largest are given up")[
                    step
                ],
            )
            if self.step == 0:
                self.core.close_idle()
            self.step = step
        if step and now_ns - self._trimmed_ns >= TRIM_NS:
            # What was freed still counts until the allocator gives it back.
            self._trimmed_ns = now_ns
            self._trim()
        if step == len(STEPS):
            self.give_up(used - int(memory * SHUT))

    def give_up(self, excess: int) -> None:
        """End the largest exchanges until this worker's part of ``excess`` bytes is free."""
        wanted = excess // self.workers
        sized = [(held_by(connection), connection) for connection in self.core.connections]
        sized.sort(key=lambda pair: pair[0], reverse=True)
        for size, connection in sized[:MOST_CUT]:
            if size < WORTH_CUTTING or wanted <= 0:
                break
            x = connection.x
            wanted -= size
            self.cut += 1
            x.attempts.memory_cut(x)

    def pressure(self) -> Pressure:
        """For control, which shows it in /metrics."""
        admission = self.core.admission
        return Pressure(
            under_way=admission.under_way,
            waiting=admission.waiting,
            slots=min(admission.ceiling, admission.limit),
            refused=tuple(admission.refused),
            memory_used=self.used,
            memory_limit=self.memory,
            memory_step=self.step,
            cut=self.cut,
            refused_connections=self.core.refused_connections,
        )


def held_by(connection: Any) -> int:
    """Bytes kept for the exchange of a caller's connection; 0 when it has none that could be given up."""
    x = connection.x
    if x is None or x.ended or connection.transport is None:
        return 0
    size = len(x.body) + x.held_bytes + len(x.outgoing or b"") + len(connection.rest)
    if connection.body is not None:
        size += connection.body.data_bytes
    return int(size + connection.transport.get_write_buffer_size())

"""A worker's slot and the service's pauses, with a clock that the test turns."""

from __future__ import annotations

import pytest

from gateway.processes.heartbeat import DRAINING, SERVING, STARTING, is_serving
from gateway.processes.service import Service
from gateway.processes.slot import BACKOFF_MOST_NS, COMING, GONE, LIVE, SILENT, Slot, backoff_ns
from gateway.processes.watch import WatchClock

S = 1_000_000_000


def serving(now: int) -> Slot:
    slot = Slot(0)
    slot.started(77, 5, now)
    slot.observe((5, 77, 6, SERVING, 0), now)
    return slot


def test_a_worker_goes_live_with_its_own_heartbeat() -> None:
    slot = Slot(0)
    assert slot.standing(1 * S) < LIVE
    slot.started(77, 5, 10 * S)
    # What the predecessor left in the arena.
    slot.observe((5, 33, 5, SERVING, 0), 11 * S)
    assert slot.standing(11 * S) < LIVE
    slot.observe((6, 77, 6, STARTING, 0), 11 * S)
    assert slot.standing(11 * S) < LIVE
    slot.observe((6, 77, 7, SERVING, 0), 11 * S)
    assert slot.standing(11 * S) == LIVE
    slot.observe((6, 77, 8, DRAINING, 0), 11 * S)
    assert slot.standing(11 * S) < LIVE


def test_silence_takes_it_out_and_then_kills_it() -> None:
    slot = serving(10 * S)
    assert slot.standing(10 * S + S // 2) == LIVE
    assert slot.standing(12 * S) < LIVE
    assert not slot.overdue(17 * S)
    assert slot.overdue(19 * S)
    slot.observe((5, 77, 6, SERVING, 0), 19 * S)
    assert slot.overdue(19 * S), "the same heartbeat seen again is no sign of life"
    slot.observe((5, 77, 7, SERVING, 0), 19 * S)
    assert slot.standing(19 * S) == LIVE
    assert not slot.overdue(19 * S)


def test_standings_when_nobody_is_live() -> None:
    slot = Slot(0)
    assert slot.standing(0) == GONE
    slot.started(77, 5, 0)
    assert slot.standing(1) == COMING
    assert serving(10 * S).standing(15 * S) == SILENT
    slot.observe((5, 77, 7, DRAINING, 0), 2)
    assert slot.standing(3) == GONE
    assert GONE < COMING < SILENT < LIVE


def test_time_that_the_supervisor_slept_does_not_count() -> None:
    times = iter([10 * S, 10 * S + 100, 500 * S, 500 * S + 100])
    clock = WatchClock(S // 2, lambda: next(times))
    assert clock.now_ns() == 10 * S + 100
    assert clock.now_ns() == 10 * S + 100 + S // 2
    assert clock.now_ns() == 10 * S + 200 + S // 2


def test_a_start_may_take_longer_than_a_heartbeat() -> None:
    slot = Slot(0)
    slot.started(77, 5, 10 * S)
    assert not slot.overdue(40 * S)
    assert slot.overdue(71 * S)


def test_who_has_served_is_replaced_at_once() -> None:
    slot = serving(10 * S)
    slot.died(12 * S)
    assert (slot.pid, slot.failures, slot.restart_at_ns) == (0, 0, 12 * S)
    assert slot.standing(12 * S) < LIVE
    assert not slot.overdue(99 * S)


def test_who_drained_is_replaced_at_once() -> None:
    slot = serving(10 * S)
    slot.observe((5, 77, 7, DRAINING, 0), 10 * S + 2)
    slot.died(10 * S + 3)
    assert slot.restart_at_ns == 10 * S + 3


def test_a_crash_loop_slows_down_to_30_seconds() -> None:
    slot = Slot(0)
    now = 0
    waits = []
    for beat in range(1, 14):
        slot.started(77, beat, now)
        slot.died(now)
        waits.append(slot.restart_at_ns - now)
        now = slot.restart_at_ns
    assert waits[0] < S
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF_MOST_NS == 30 * S
    slot.started(77, 20, now)
    slot.observe((21, 77, 21, SERVING, 0), now + 1)
    slot.died(now + 2 * S)
    assert slot.failures == 0


@pytest.mark.parametrize("failures", [-1, 0])
def test_no_failure_no_pause(failures: int) -> None:
    assert backoff_ns(failures) == 0


def test_a_service_that_keeps_dying_waits_longer() -> None:
    service = Service("control")
    service.started(5, 0)
    service.died(1 * S)
    first = service.restart_at_ns - 1 * S
    service.started(6, 2 * S)
    service.died(3 * S)
    assert service.restart_at_ns - 3 * S == 2 * first > 0
    service.started(7, 4 * S)
    service.died(60 * S)
    assert service.restart_at_ns == 60 * S


class Table:
    def __init__(self, beat_ns: int, state: int) -> None:
        self.row = (1, 2, beat_ns, state, 0)

    def status(self, index: int) -> tuple[int, int, int, int, int]:
        return self.row


def test_serving_means_said_so_lately() -> None:
    assert is_serving(Table(10 * S, SERVING), 0, 10 * S + 1)
    assert not is_serving(Table(10 * S, SERVING), 0, 12 * S)
    assert not is_serving(Table(10 * S, DRAINING), 0, 10 * S + 1)

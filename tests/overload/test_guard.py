"""What is done about loop lag and memory, by readings of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.overload import guard as module
from gateway.overload.brake import LATE_WINDOWS, WINDOW_NS
from gateway.overload.guard import BYTES_A_REQUEST, INTAKE_SHARE, MOST_CUT, WORTH_CUTTING, Guard
from gateway.snapshot.model import Overload
from tests.overload.worlds import Clocked, World, key

MIB = 2**20
MEMORY = 1000 * MIB
KEPT_NS = 3600 * 10**9
LATE_NS = 200_000_000


class Readings:
    """A meter that says what the test wants."""

    limit = MEMORY

    def __init__(self) -> None:
        self.percent = 10.0

    def read(self) -> tuple[int, int]:
        return int(MEMORY * self.percent / 100), MEMORY


class Attempts:
    def __init__(self) -> None:
        self.given_up: list[Exchange] = []

    def memory_cut(self, x: Exchange) -> None:
        self.given_up.append(x)


class Exchange:
    def __init__(self, attempts: Attempts, size: int) -> None:
        self.attempts = attempts
        self.body = b""
        self.held_bytes = size
        self.outgoing = None
        self.ended = False


class Transport:
    def get_write_buffer_size(self) -> int:
        return 0


class Connection:
    def __init__(self, x: Exchange | None) -> None:
        self.x = x
        self.transport: Transport | None = Transport()
        self.rest = b""
        self.body = None


class Core:
    """What the guard looks at and sets."""

    def __init__(self) -> None:
        self.world = World()
        self.admission: Clocked = self.world.admission
        self.max_connections = 1000
        self.keepalive_age_ns = KEPT_NS
        self.connections: list[Connection] = []
        self.refused_connections = 0
        self.idle_closed = 0
        self.intake = 1 << 62
        self.measure: Callable[[], None] = lambda: None

    def close_idle(self) -> None:
        self.idle_closed += 1


class Watch:
    """A guard, its clock and what it reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, workers: int = 1, **settings: Any) -> None:
        self.core = Core()
        self.readings = Readings()
        self.trims = 0
        self.now_ns = 1000 * 10**9
        monkeypatch.setattr(module, "monotonic_ns", lambda: self.now_ns)
        self.guard = Guard(self.core, workers, self.readings, self.trim)  # type: ignore[arg-type]
        self.guard.follow(Overload(**settings))
        self.attempts = Attempts()

    def trim(self) -> None:
        self.trims += 1

    def at(self, percent: float, windows: int = 1, lag_ns: int = 0) -> int:
        """Read so much for so many windows; the step then."""
        self.readings.percent = percent
        for _ in range(windows):
            self.now_ns += WINDOW_NS
            self.guard.look(lag_ns)
        return self.guard.step

    def hold(self, *sizes: int) -> list[Exchange]:
        made = [Exchange(self.attempts, size) for size in sizes]
        self.core.connections += [Connection(x) for x in made]
        return made


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_steps_go_up_at_their_bounds_and_down_below_them(watch: Watch) -> None:
    seen = [watch.at(percent) for percent in (84.9, 85, 91.9, 92, 95.9, 96, 94.1, 93.9, 90.1, 89.9, 83.1, 82.9)]
    assert seen == [0, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 0]


def test_one_reading_can_go_up_all_steps_and_down_again(watch: Watch) -> None:
    assert watch.at(99) == 3
    assert watch.at(10) == 0


def test_it_looks_when_callers_have_sent_a_part_of_the_memory(watch: Watch) -> None:
    assert watch.core.intake == 0, "at the first byte behind a configuration"
    watch.readings.percent = 97
    watch.core.measure()
    assert watch.guard.step == 3
    assert watch.core.admission.shut
    assert watch.core.intake == MEMORY // INTAKE_SHARE


def test_workers_share_what_may_be_sent_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, workers=4)
    watch.core.measure()
    assert watch.core.intake == MEMORY // INTAKE_SHARE // 4


def test_connections_are_not_kept_while_memory_is_short(watch: Watch) -> None:
    watch.at(86)
    assert watch.core.keepalive_age_ns < 0
    assert watch.core.idle_closed == 1
    watch.at(93)
    assert watch.core.idle_closed == 1
    watch.at(50)
    assert watch.core.keepalive_age_ns == KEPT_NS


def test_a_new_configuration_does_not_end_the_thrift(watch: Watch) -> None:
    watch.at(86)
    # As core.adopt() does.
    watch.core.keepalive_age_ns = KEPT_NS // 2
    watch.guard.follow(Overload())
    assert watch.core.keepalive_age_ns < 0
    watch.at(50)
    assert watch.core.keepalive_age_ns == KEPT_NS // 2


def test_a_worker_that_leaves_keeps_no_connection_whatever_is_seen(watch: Watch) -> None:
    watch.at(90)
    watch.guard.leave()
    watch.at(10, windows=2 * LATE_WINDOWS, lag_ns=LATE_NS)
    watch.core.measure()
    assert watch.guard.step == 0
    assert watch.core.keepalive_age_ns < 0


def test_nobody_is_let_in_from_the_second_step_on(watch: Watch) -> None:
    watch.at(91)
    assert not watch.core.admission.shut
    watch.at(92)
    assert watch.core.admission.shut
    watch.at(89)
    assert not watch.core.admission.shut


def test_the_largest_are_given_up_until_enough_would_be_free(watch: Watch) -> None:
    small, large, larger = watch.hold(10 * MIB, 30 * MIB, 40 * MIB)
    watch.at(95)
    assert watch.attempts.given_up == []
    # 5 % of 1000 MiB above what shuts the door.
    watch.at(97)
    assert watch.attempts.given_up == [larger, large]
    assert watch.guard.cut == 2
    assert small not in watch.attempts.given_up


def test_each_of_several_workers_gives_up_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, workers=4)
    watch.hold(20 * MIB, 20 * MIB, 20 * MIB)
    watch.at(97)
    assert len(watch.attempts.given_up) == 1


def test_what_is_small_or_over_is_not_given_up(watch: Watch) -> None:
    small, over = watch.hold(WORTH_CUTTING - 1, 50 * MIB)
    over.ended = True
    watch.core.connections.append(Connection(None))
    watch.at(99)
    assert watch.attempts.given_up == []
    assert not small.ended


def test_only_so_many_are_given_up_at_a_look(watch: Watch) -> None:
    watch.hold(*[WORTH_CUTTING] * (MOST_CUT + 5))
    watch.at(99)
    assert len(watch.attempts.given_up) == MOST_CUT


def test_freed_memory_is_given_back_once_a_second_while_it_is_short(watch: Watch) -> None:
    watch.at(50, windows=8)
    assert watch.trims == 0
    watch.at(86, windows=8)
    assert watch.trims == 2


def test_a_bound_of_ones_own_counts_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, memory=200 * MIB)
    assert watch.at(17.5) == 1
    assert watch.guard.pressure().memory_limit == 200 * MIB


@pytest.mark.parametrize(
    ("settings", "workers", "slots"),
    [
        ({"under_way": 7}, 1, 7),
        ({}, 1, 1251),
        ({"memory": 100 * MIB}, 1, 100 * MIB // 2 // BYTES_A_REQUEST),
        ({"memory": 100 * MIB}, 4, 100 * MIB // 8 // BYTES_A_REQUEST),
        ({"memory": MIB}, 4, 16),
    ],
)
def test_how_many_slots_there_are(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], workers: int, slots: int
) -> None:
    watch = Watch(monkeypatch, workers, **settings)
    assert watch.core.admission.limit == watch.guard.limit == slots


def test_a_late_loop_lowers_what_admission_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, under_way=100)
    for _ in range(50):
        watch.core.world.ask(key())
    watch.at(10, LATE_WINDOWS - 1, LATE_NS)
    assert watch.core.admission.ceiling == 100
    watch.at(10, 1, LATE_NS)
    assert watch.core.admission.ceiling == watch.guard.pressure().slots == 45
    assert watch.core.admission.lag == LATE_NS
    watch.at(10, 20)
    assert watch.core.admission.ceiling == 100


def test_fewer_slots_of_a_new_configuration_hold_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, under_way=100)
    watch.at(10, 3)
    watch.guard.follow(Overload(under_way=10))
    assert (watch.core.admission.limit, watch.core.admission.ceiling) == (10, 10)


def test_a_look_turns_away_who_has_waited_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, under_way=10, queue=5, queue_wait=1.0)
    world = watch.core.world
    for _ in range(9):
        world.ask(key())
    assert watch.core.admission.waiting == 1
    world.now_ns += 2 * 10**9
    watch.guard.look(0)
    assert watch.core.admission.waiting == 0
    assert watch.guard.pressure().refused[1] == 1

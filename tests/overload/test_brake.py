"""Fewer slots while the loop is late, more when it is not."""

from __future__ import annotations

from itertools import pairwise

from gateway.overload.brake import FURTHER_WINDOWS, LATE_WINDOWS, LEAST, WINDOW_NS, Brake

MS = 1_000_000
LIMIT = 1000


class Drive:
    """A brake at 100 ms, fed window by window: two samples in each, about as often as the guard looks."""

    def __init__(self) -> None:
        self.brake = Brake(100 * MS)
        self.now_ns = 0
        self.brake.sample(0, 100, LIMIT, self.now_ns)

    def windows(self, count: int, lag_ms: int, under_way: int = 100) -> int:
        for _ in range(count):
            assert not self.brake.sample(lag_ms * MS, under_way, LIMIT, self.now_ns + WINDOW_NS // 2)
            self.now_ns += WINDOW_NS
            assert self.brake.sample(lag_ms * MS, under_way, LIMIT, self.now_ns)
        return min(self.brake.ceiling, LIMIT)


def test_three_late_windows_take_slots_away() -> None:
    drive = Drive()
    assert drive.windows(LATE_WINDOWS - 1, 150) == LIMIT
    assert drive.windows(1, 150) == 90


def test_a_single_stall_takes_nothing() -> None:
    drive = Drive()
    for _ in range(5):
        drive.windows(1, 900)
        assert drive.windows(4, 1) == LIMIT


def test_the_share_taken_grows_while_nothing_helps() -> None:
    drive = Drive()
    drive.windows(LATE_WINDOWS - 1, 150)
    seen = [100, drive.windows(1, 150)]
    for _ in range(3):
        assert drive.windows(FURTHER_WINDOWS - 1, 150, under_way=seen[-1]) == seen[-1]
        seen.append(drive.windows(1, 150, under_way=seen[-1]))
    shares = [1 - after / before for before, after in pairwise(seen)]
    assert shares[0] < shares[1] < shares[2]
    for _ in range(20):
        seen.append(drive.windows(1, 150, under_way=seen[-1]))
    assert 100 // LEAST // 2 <= seen[-1] <= 100 // LEAST


def test_nothing_more_is_taken_while_more_are_under_way_than_have_slots() -> None:
    drive = Drive()
    assert drive.windows(20, 150, under_way=100) == 90


def test_a_mean_beyond_five_eighths_of_the_bound_is_late_as_well() -> None:
    drive = Drive()
    assert drive.windows(20, 70) < LIMIT


def test_between_half_and_five_eighths_of_the_bound_nothing_changes() -> None:
    drive = Drive()
    drive.windows(5, 150)
    before = drive.windows(8, 56)
    assert drive.windows(50, 56) == before < LIMIT


def test_below_that_slots_come_back_slowly() -> None:
    drive = Drive()
    drive.windows(5, 150)
    before = drive.windows(8, 30)
    assert before < drive.windows(4, 30) <= before * 1.3


def test_recovery_does_not_depend_on_how_long_it_was_late() -> None:
    took = []
    for late in (5, 500):
        drive = Drive()
        for _ in range(late):
            drive.windows(1, 150, under_way=min(drive.brake.ceiling, 100))
        windows = 0
        while drive.windows(1, 1) < 100:
            windows += 1
        took.append(windows)
    # From one slot to a hundred: within five seconds.
    assert took[0] <= took[1] <= 5_000_000_000 // WINDOW_NS
    assert drive.windows(20, 1) == LIMIT


def test_the_greatest_lateness_of_a_window_counts() -> None:
    brake = Brake(100 * MS)
    brake.sample(0, 1, LIMIT, 1)
    assert not brake.sample(150 * MS, 1, LIMIT, WINDOW_NS // 2)
    assert brake.sample(0, 1, LIMIT, WINDOW_NS + 1)
    assert brake.lag_ns == 150 * MS


def test_without_a_bound_no_lateness_counts() -> None:
    brake = Brake(0)
    for window in range(10):
        brake.sample(900 * MS, 5, LIMIT, (window + 1) * WINDOW_NS)
    assert brake.ceiling >= LIMIT


class Worker:
    """One whose lateness follows what is under way, a window later, beyond what it can carry; others ask for more."""

    def __init__(self, carries: int) -> None:
        self.drive = Drive()
        self.carries = carries
        self.under_way = 0

    def run(self, windows: int) -> list[int]:
        seen = []
        for _ in range(windows):
            lag_ms = 2 + max(0, self.under_way - self.carries)
            # A fifth of what runs ends in a window.
            self.under_way = max(int(self.under_way * 0.8), min(2 * self.carries, self.drive.brake.ceiling))
            self.drive.windows(1, lag_ms, under_way=self.under_way)
            seen.append(self.under_way)
        return seen


def test_slots_stay_about_as_many_as_can_be_carried() -> None:
    for carries in (50, 200, 1000):
        worker = Worker(carries)
        worker.run(60)
        seen = worker.run(400)
        assert sum(seen) / len(seen) >= 0.93 * carries
        assert min(seen) >= 0.7 * carries
        assert max(seen) <= 1.3 * carries + 60, "what is beyond makes it late: 60 of them by five eighths of the bound"


def test_a_worker_that_carries_more_than_before_is_given_it() -> None:
    worker = Worker(100)
    worker.run(100)
    worker.carries = 800
    assert max(worker.run(60)) >= 600

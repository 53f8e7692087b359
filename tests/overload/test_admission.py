"""Slots, the queue before them, ranks and shares, by a clock of the test's own; on both builds."""

from __future__ import annotations

import pytest

from gateway.overload import slots
from gateway.overload.refusals import Reason
from gateway.snapshot import keytable
from tests.overload.worlds import HIGH, LOW, SECOND, Request, World, key, world


def ask(at: World, count: int, principal: object = None, head: bytes = b"") -> list[Request]:
    """Requests of one key, or each of a key of its own."""
    return [at.ask(principal or key(), head) for _ in range(count)]  # type: ignore[arg-type]


def test_ranks_stand_where_the_key_table_has_them() -> None:
    assert keytable.PRIORITY_HIGH >> slots.PRIORITY_SHIFT & slots.PRIORITY_BITS == slots.HIGH
    assert keytable.PRIORITY_LOW >> slots.PRIORITY_SHIFT & slots.PRIORITY_BITS == slots.LOW
    others = keytable.ENABLED | keytable.STATEFUL | keytable.HARD_BUDGET | keytable.FROM_FILE
    assert others >> slots.PRIORITY_SHIFT == 0


def test_one_key_alone_has_all_slots_of_its_rank() -> None:
    at = world(10, queue=0)
    mine = key()
    asked = ask(at, 12, mine)
    assert at.begun == asked[:8]
    assert at.refused == [(x, Reason.FULL) for x in asked[8:]]
    assert at.admission.under_way == 8
    assert mine.claims == 8


def test_slots_come_back_with_the_end_of_a_request() -> None:
    at = world(10, queue=0)
    asked = ask(at, 8)
    for x in asked:
        at.end(x)
        at.end(x)
    assert (at.admission.under_way, at.admission.active_keys, at.admission.waiting) == (0, 0, 0)
    ask(at, 8)
    assert at.refused == []


def test_a_fifth_of_the_slots_is_for_keys_of_high_priority() -> None:
    at = world(10, queue=0)
    ask(at, 8)
    normal, low, high = at.ask(key()), at.ask(key(LOW)), ask(at, 3, key(HIGH))
    assert at.why(normal) == at.why(low) == Reason.FULL
    assert [at.why(x) for x in high] == [None, None, Reason.FULL]


def test_it_has_them_also_while_more_run_than_there_are_slots() -> None:
    at = world(100, queue=0)
    running = ask(at, 80)
    at.admission.allow(100, 20, False)
    mine = key(HIGH)
    high = ask(at, 5, mine)
    assert [at.why(x) for x in high] == [None] * 4 + [Reason.LAG]
    assert at.why(at.ask(key())) == Reason.LAG
    at.end(high[0])
    assert at.why(at.ask(mine)) is None
    for x in (*running, *high):
        at.end(x)
    assert (at.admission.high_held, at.admission.under_way) == (1, 1)


def test_whoever_has_less_time_left_than_the_loop_is_late_is_not_begun() -> None:
    at = world(10, queue=2)
    running = ask(at, 8)
    waiting = at.ask(key(), b"x-stainless-timeout: 1\r\n")
    at.pass_time(0.95)
    at.admission.lag = SECOND // 10
    at.end(running[0])
    at.turn()
    assert at.why(waiting) == Reason.EXPIRED


def test_whoever_has_less_time_left_than_even_the_soonest_answers_take_is_not_begun() -> None:
    at = world(10, queue=9, wait_s=10)
    running = ask(at, 8)
    hopeless, hopeful, embeds = (at.ask(key(), deadline_s=seconds) for seconds in (1.3, 1.5, 1.5))
    for _ in range(3):
        at.admission.answered(SECOND // 2)
    at.now_ns += 9 * SECOND // 10
    at.end(running[0])
    at.turn()
    assert at.why(hopeless) == Reason.EXPIRED
    assert at.begun[-1] is hopeful
    # Slow ones among them do not say that all are slow; sooner ones count at once.
    at.admission.answered(SECOND)
    assert SECOND // 2 < at.admission.soonest < 6 * SECOND // 10
    for _ in range(10):
        at.admission.answered(SECOND // 10)
    at.now_ns += 3 * SECOND // 10
    at.end(running[1])
    at.turn()
    assert at.begun[-1] is embeds


def test_low_priority_is_let_in_while_it_is_easy() -> None:
    at = world(10, queue=0)
    assert [at.why(x) for x in ask(at, 7, key(LOW))] == [None] * 6 + [Reason.FULL]
    assert at.why(at.ask(key())) is None


def test_who_finds_no_slot_waits_for_one() -> None:
    at = world(10, queue=2)
    running = ask(at, 8)
    first, second, third = ask(at, 3)
    assert at.admission.waiting == 2
    assert at.why(third) == Reason.FULL
    at.pass_time(0.2)
    at.end(running[0])
    assert first not in at.begun
    at.turn()
    assert at.begun[-1] is first
    assert first.dial_ns == SECOND // 5
    assert at.admission.waiting == 1
    at.end(running[1])
    at.turn()
    assert at.begun[-1] is second


def test_who_goes_away_gives_its_place_up() -> None:
    at = world(10, queue=2)
    running = ask(at, 8)
    gone, stays = ask(at, 2)
    at.end(gone)
    assert at.admission.waiting == 1
    at.end(running[0])
    at.turn()
    assert at.begun[-1] is stays
    assert gone not in at.begun


def test_nobody_waits_longer_than_allowed() -> None:
    at = world(10, queue=5)
    ask(at, 8)
    early = at.ask(key())
    at.pass_time(0.95)
    late = at.ask(key())
    at.pass_time(0.06)
    assert at.why(early) == Reason.LATE
    assert at.why(late) is None


@pytest.mark.parametrize(("head", "deadline_s"), [(b"X-Stainless-Read-Timeout: 0.5\r\n", 0), (b"", 0.5)])
def test_what_its_caller_no_longer_waits_for_is_not_begun(head: bytes, deadline_s: float) -> None:
    at = world(10, queue=5, wait_s=10)
    running = ask(at, 8)
    expires = at.ask(key(), head, deadline_s)
    waits = at.ask(key())
    at.now_ns += SECOND // 2
    at.end(running[0])
    at.turn()
    assert at.why(expires) == Reason.EXPIRED
    assert at.begun[-1] is waits


def test_a_deadline_is_told_at_its_time() -> None:
    """And not when the queue is looked at next."""
    at = world(10, queue=5, wait_s=10)
    ask(at, 8)
    waits = at.ask(key(), deadline_s=0.5)
    at.ring()
    assert at.why(waits) == Reason.EXPIRED


def test_whoever_has_a_slot_by_then_is_not_refused() -> None:
    at = world(10, queue=5, wait_s=10)
    running = ask(at, 8)
    waits = at.ask(key(), deadline_s=0.5)
    at.end(running[0])
    at.turn()
    assert at.begun[-1] is waits
    at.admission.expired(waits)
    assert at.why(waits) is None


def stand(at: World) -> list[Request]:
    """For more than a second somebody always waits; those that hold the slots."""
    running = ask(at, 8)
    for _ in range(12):
        ask(at, 1)
        at.pass_time(0.1)
    return running


def test_a_standing_queue_turns_the_oldest_away() -> None:
    at = world(10, queue=50)
    running = stand(at)
    assert at.admission.standing(at.now_ns)
    assert {reason for _, reason in at.refused} == {Reason.LATE}
    old = at.ask(key())
    at.now_ns += SECOND // 20
    new = at.ask(key())
    at.now_ns += SECOND // 20 + 1
    at.end(running[0])
    at.turn()
    assert at.why(old) == Reason.LATE
    assert at.begun[-1] is new


def test_an_emptied_queue_stands_no_longer() -> None:
    at = world(10, queue=50)
    running = stand(at)
    for x in running[:4]:
        at.end(x)
    at.turn()
    assert at.admission.waiting == 0
    ask(at, 3)
    first, second = ask(at, 2)
    at.pass_time(0.5)
    at.end(running[4])
    at.turn()
    assert at.begun[-1] is first
    assert at.why(second) is None


def test_a_higher_rank_displaces_a_lower_one_in_a_full_queue() -> None:
    at = world(10, queue=2)
    ask(at, 8)
    ask(at, 2, key(HIGH))
    low, normal = at.ask(key(LOW)), at.ask(key())
    high = at.ask(key(HIGH))
    assert at.why(low) == Reason.FULL
    higher = at.ask(key(HIGH))
    assert at.why(normal) == Reason.FULL
    assert at.why(at.ask(key(HIGH))) == Reason.FULL
    assert at.admission.waiting == 2
    assert high.slot == higher.slot == slots.WAITING


def test_ranks_are_served_from_high_to_low() -> None:
    at = world(10, queue=9)
    running = ask(at, 10, key(HIGH))
    low, normal, high = at.ask(key(LOW)), at.ask(key()), at.ask(key(HIGH))
    for x in running:
        at.end(x)
    at.turn()
    assert at.begun[-3:] == [high, normal, low]


def test_a_waiting_low_rank_does_not_keep_higher_ones_waiting() -> None:
    at = world(10, queue=9)
    ask(at, 6)
    low = at.ask(key(LOW))
    assert low.slot == slots.WAITING
    assert at.ask(key()) in at.begun


def test_one_key_beyond_its_share_leaves_room_for_the_others() -> None:
    at = world(20, queue=5)
    greedy, modest = key(), key()
    ask(at, 1, modest)
    asked = ask(at, 30, greedy)
    # Twelve of twenty are had by whoever comes; beyond, the greedy key has more than half of what normal keys can use.
    assert [x for x in asked if at.why(x) is None] == asked[:11]
    assert {at.why(x) for x in asked[11:]} == {Reason.SHARE}
    assert [at.why(x) for x in ask(at, 4, modest)] == [None] * 4
    assert at.admission.active_keys == 2
    assert at.admission.waiting == 0


def test_memory_that_is_used_up_shuts_everybody_out() -> None:
    at = world(10, queue=5)
    at.admission.allow(10, 10, True)
    assert at.why(at.ask(key(HIGH))) == Reason.MEMORY
    at.admission.allow(10, 10, False)
    assert at.why(at.ask(key())) is None


def test_a_lowered_ceiling_says_that_the_loop_is_late() -> None:
    at = world(10, queue=0)
    at.admission.allow(10, 1, False)
    assert at.why(at.ask(key())) is None
    assert at.why(at.ask(key())) == Reason.LAG


def test_a_raised_ceiling_lets_in_who_waits() -> None:
    at = world(10, queue=5)
    at.admission.allow(10, 2, False)
    ask(at, 3)
    assert (at.admission.under_way, at.admission.waiting) == (1, 2)
    at.admission.allow(10, 10, False)
    at.turn()
    assert at.admission.under_way == 3


def test_the_queue_is_no_longer_than_the_slots_while_the_loop_is_late() -> None:
    at = world(100, queue=50)
    at.admission.allow(100, 5, False)
    ask(at, 20)
    assert (at.admission.under_way, at.admission.waiting) == (4, 5)
    assert {reason for _, reason in at.refused} == {Reason.LAG}
    at.pass_time(0.11)
    assert at.admission.waiting == 0


def test_refused_at_the_head_is_what_would_be_refused_behind_it() -> None:
    at = world(10, queue=1)
    ask(at, 8)
    assert at.admission.at_head(Request(key())) is None
    at.ask(key())
    response = at.admission.at_head(Request(key()))
    assert response is not None
    assert response.status == 503


def test_a_flood_of_refusals_leaves_a_hundred_records_a_second() -> None:
    at = world(1, queue=0)
    ask(at, 301)
    assert sum(not x.unrecorded for x, _ in at.refused) == 100
    at.now_ns += SECOND
    assert not at.ask(key()).unrecorded


def test_there_is_time_for_more_while_less_than_half_of_the_easy_slots_is_in_use() -> None:
    at = world(10, queue=5)
    ask(at, 2)
    assert at.admission.has_time()
    ask(at, 1)
    assert not at.admission.has_time()


def test_there_is_no_time_for_more_while_somebody_waits() -> None:
    at = world(100, queue=5)
    low = ask(at, 61, key(LOW))
    for x in low[:60]:
        at.end(x)
    assert (at.admission.under_way, at.admission.waiting) == (0, 1)
    assert not at.admission.has_time()
    at.turn()
    assert at.admission.has_time()


def test_there_is_no_time_for_more_while_memory_is_short() -> None:
    at = world(100, queue=5)
    at.admission.allow(100, 100, True)
    assert not at.admission.has_time()

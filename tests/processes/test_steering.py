"""The steering program: as instructions, and in force on real sockets."""

from __future__ import annotations

import random
import select
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from gateway.processes import steering

CONNECTS = 400


def run(weights: Sequence[int], drawn: int) -> int:
    """A cBPF interpreter for the five instructions in use: returns what the kernel would."""
    code = steering.program(weights)
    at, accumulator = 0, 0
    while True:
        step = code[at]
        at += 1
        if step.code == 0x20:
            assert step.k == 0xFFFFF038
            accumulator = drawn
        elif step.code == 0x94:
            accumulator %= step.k
        elif step.code == 0x35:
            at += step.jump_true if accumulator >= step.k else step.jump_false
        else:
            assert step.code == 0x06
            return step.k


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ([1], [6]),
        ([1, 1], [3, 3]),
        ([0, 1], [0, 6]),
        ([1, 0, 1], [3, 0, 3]),
        ([1, 2, 3], [1, 2, 3]),
        ([0, 0], [3, 3]),
        ([0, 0, 0], [2, 2, 2]),
    ],
)
def test_every_slot_gets_its_share(weights: list[int], share: list[int]) -> None:
    drawn = Counter(run(weights, number) for number in range(6))
    assert [drawn[slot] for slot in range(len(weights))] == share


def test_256_slots_fit() -> None:
    assert {run([1] * 256, number) for number in range(256)} == set(range(256))


@pytest.mark.parametrize("bad", [[], [-1], [1, -1], [1] * 3000])
def test_impossible_weights_are_refused(bad: list[int]) -> None:
    with pytest.raises(ValueError, match="slot"):
        steering.program(bad)


@pytest.fixture
def group() -> Iterator[list[socket.socket]]:
    sockets = [socket.socket() for _ in range(3)]
    address = ("127.0.0.1", 0)
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        address = sock.getsockname()
    for sock in sockets:
        sock.listen(CONNECTS)
    yield sockets
    for sock in sockets:
        sock.close()


def spread(group: list[socket.socket]) -> list[int]:
    """Connections that each socket of the group got out of CONNECTS."""
    got = [0] * len(group)
    clients = [socket.create_connection(group[0].getsockname()) for _ in range(CONNECTS)]
    try:
        while sum(got) < CONNECTS:
            ready, _, _ = select.select(group, [], [], 10)
            assert ready, f"connections are missing: {got}"
            for sock in ready:
                sock.accept()[0].close()
                got[group.index(sock)] += 1
    finally:
        for client in clients:
            client.close()
    return got


def test_the_kernel_follows(group: list[socket.socket]) -> None:
    steering.attach(group[0], [1, 1, 1])
    assert min(spread(group)) > CONNECTS / 6
    # Again and again, as workers die and come back; any socket of the group will do.
    steering.attach(group[2], [1, 0, 1])
    shares = spread(group)
    assert shares[1] == 0
    assert min(shares[0], shares[2]) > CONNECTS / 4
    steering.attach(group[0], [0, 0, 5])
    assert spread(group) == [0, 0, CONNECTS]
    steering.attach(group[0], [0, 1, 0])
    assert spread(group) == [0, CONNECTS, 0]


def test_few_slots_are_equal_whatever_they_hold() -> None:
    assert steering.balanced([True, True, False], [1000, 0, 0]) == [1, 1, 0]
    assert steering.balanced([True] * steering.EVEN_SLOTS, range(0, 800, 100)) == [1] * steering.EVEN_SLOTS


def test_many_slots_are_weighted_by_what_they_lack() -> None:
    wanted = [True] * 9 + [False]
    level = steering.balanced(wanted, [100] * 10)
    assert level == [steering.USUAL_WEIGHT] * 9 + [0]
    weights = steering.balanced(wanted, [200, 120, 100, 100, 100, 100, 100, 80, 0, 0])
    assert weights == [*sorted(weights[:9]), 0]
    assert 1 <= weights[0] < weights[1] < weights[2] < weights[7] < weights[8] <= steering.MOST_WEIGHT
    # A handful of connections is chance.
    assert set(steering.balanced(wanted, [0, 1] * 5)) <= {
        0,
        *range(steering.USUAL_WEIGHT - 2, steering.USUAL_WEIGHT + 3),
    }


def arrivals(slots: int, connections: int, per_look: int, *, weighted: bool, held: list[int]) -> list[int]:
    """``connections`` arrive, ``per_look`` between two looks of the supervisor, and stay."""
    dice = random.Random(7)
    for _ in range(0, connections, per_look):
        weights = steering.balanced([True] * slots, held) if weighted else [1] * slots
        for slot in dice.choices(range(slots), weights, k=per_look):
            held[slot] += 1
    return held


@pytest.mark.parametrize("slots", [9, 16, 64])
def test_connections_end_up_level(slots: int) -> None:
    total = 100 * slots
    even = arrivals(slots, total, 25, weighted=False, held=[0] * slots)
    levelled = arrivals(slots, total, 25, weighted=True, held=[0] * slots)
    assert max(levelled) / min(levelled) <= 1.3 < max(even) / min(even)


def test_a_replaced_worker_catches_up() -> None:
    held = arrivals(16, 1600, 25, weighted=True, held=[0] + [100] * 15)
    assert max(held) / min(held) <= 1.3
    # All at once between two looks: it gets more than its share, and nobody is flooded for long.
    held = arrivals(16, 16_000, 4_000, weighted=True, held=[0] + [100] * 15)
    assert max(held) / min(held) <= 1.3

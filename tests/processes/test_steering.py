"""The steering program: as instructions, and in force on real sockets."""

from __future__ import annotations

import select
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from gateway.processes import steering

CONNECTS = 400


def run(weights: Sequence[int], random: int) -> int:
    """A cBPF interpreter for the five instructions in use: returns what the kernel would."""
    code = steering.program(weights)
    at, accumulator = 0, 0
    while True:
        step = code[at]
        at += 1
        if step.code == 0x20:
            assert step.k == 0xFFFFF038
            accumulator = random
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
    drawn = Counter(run(weights, random) for random in range(6))
    assert [drawn[slot] for slot in range(len(weights))] == share


def test_256_slots_fit() -> None:
    assert {run([1] * 256, random) for random in range(256)} == set(range(256))


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

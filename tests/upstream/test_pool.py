"""What becomes of connections that nobody needs any more."""

from __future__ import annotations

import time
from typing import Any

from gateway.core import Core
from gateway.server.deadlines import Wheel
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.origin import Origin
from gateway.upstream.pool import Pool

S = 10**9
WARM = 64


def new_pool() -> Pool:
    # A pool asks its core for the wheel and whether the worker is going; a whole core needs a snapshot and an arena.
    core = Core.__new__(Core)
    core.wheel, core.draining = Wheel(time.monotonic_ns()), False
    dialer: Any = None
    return Pool(core, Origin("p", "http", "127.0.0.1", 1, ""), dialer, 0)


def test_the_connections_of_a_burst_go_before_the_few_that_stay_warm() -> None:
    pool = new_pool()
    begun = time.monotonic_ns()
    links = [UpstreamConnection(pool.core, pool) for _ in range(WARM + 10)]
    for link in links:
        pool.free(link)
    seconds = [(link.deadline_ns - begun) // S for link in links]
    assert all(55 <= each < 60 for each in seconds[:WARM])
    assert all(15 <= each < 20 for each in seconds[WARM:])


def test_nothing_is_kept_of_connections_that_are_gone() -> None:
    pool = new_pool()
    links = [UpstreamConnection(pool.core, pool) for _ in range(10)]
    for link in links:
        link.counted = True
        pool.open += 1
        pool.free(link)
    for link in links:
        pool.lost(link)
    assert (pool.idle, pool.open) == ([], 0)

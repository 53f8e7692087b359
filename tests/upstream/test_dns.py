"""Names are looked up off the loop, once for all who ask, and the last answer survives failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.upstream.dns import DnsError, Resolver, interleave

Run = Callable[[Callable[[], Any]], Any]


class Names:
    """A scriptable name server; answers may be changed, and look-ups held."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {host.replace("_", "."): addresses for host, addresses in answers.items()}
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        self.threads.add(threading.get_ident())
        self.gate.wait()
        if not self.answers.get(host):
            raise OSError("no such name")
        return self.answers[host]


class Clock:
    """Moves the resolver's time without waiting for it."""

    ahead = 0.0

    def resolver(self, names: Names) -> Resolver:
        loop = asyncio.get_running_loop()
        clock = self

        class Shifted:
            create_task = staticmethod(loop.create_task)
            create_future = staticmethod(loop.create_future)
            call_soon_threadsafe = staticmethod(loop.call_soon_threadsafe)

            @staticmethod
            def time() -> float:
                return loop.time() + clock.ahead

        return Resolver(Shifted(), names)  # type: ignore[arg-type]  # the part of a loop that a resolver uses


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_name_is_looked_up_in_a_thread_and_then_cached(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])

    async def main() -> None:
        resolver = clock.resolver(names)
        assert resolver.cached("api.test") is None
        assert await resolver.resolve("api.test") == ["192.0.2.1"]
        assert resolver.cached("api.test") == ["192.0.2.1"]
        assert await resolver.resolve("api.test") == ["192.0.2.1"]

    run(main)
    assert names.asked == ["api.test"]
    assert threading.get_ident() not in names.threads


def test_one_lookup_serves_all_who_wait(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])
    names.gate.clear()

    async def main() -> None:
        resolver = clock.resolver(names)
        waiting = [asyncio.ensure_future(resolver.resolve("api.test")) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        names.gate.set()
        found = await asyncio.gather(*waiting[1:])
        assert found == [["192.0.2.1"]] * 19
        assert waiting[0].cancelled()

    run(main)
    assert names.asked == ["api.test"]


def test_addresses_need_no_lookup(run: Run, clock: Clock) -> None:
    names = Names()

    async def main() -> None:
        resolver = clock.resolver(names)
        assert resolver.cached("127.0.0.1") == ["127.0.0.1"]
        assert resolver.cached("::1") == ["::1"]
        clock.ahead = 10_000.0
        assert resolver.cached("127.0.0.1") == ["127.0.0.1"]

    run(main)
    assert names.asked == []


def test_an_unknown_name_is_an_error_and_not_asked_again_at_once(run: Run, clock: Clock) -> None:
    names = Names()

    async def main() -> None:
        resolver = clock.resolver(names)
        for _ in range(3):
            with pytest.raises(DnsError, match=r"gone\.test"):
                await resolver.resolve("gone.test")
        assert len(names.asked) == 1
        names.answers["gone.test"] = ["192.0.2.9"]
        clock.ahead = 3.0
        assert await resolver.resolve("gone.test") == ["192.0.2.9"]

    run(main)


def test_the_new_address_is_used_within_the_ttl(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])

    async def main() -> None:
        resolver = clock.resolver(names)
        await resolver.resolve("api.test")
        names.answers["api.test"] = ["192.0.2.2"]
        clock.ahead = 30.0
        assert resolver.cached("api.test") is None
        assert await resolver.resolve("api.test") == ["192.0.2.2"]

    run(main)


def test_an_ageing_answer_is_renewed_in_the_background(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])

    async def main() -> None:
        resolver = clock.resolver(names)
        await resolver.resolve("api.test")
        names.answers["api.test"] = ["192.0.2.2"]
        clock.ahead = 16.0
        assert resolver.cached("api.test") == ["192.0.2.1"]
        await asyncio.gather(*resolver._running.values())
        assert resolver.cached("api.test") == ["192.0.2.2"]

    run(main)
    assert len(names.asked) == 2


def test_the_last_answer_is_used_while_lookups_fail(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])

    async def main() -> None:
        resolver = clock.resolver(names)
        await resolver.resolve("api.test")
        names.answers.clear()
        for hour in range(1, 4):
            clock.ahead = 3600.0 * hour
            assert await resolver.resolve("api.test") == ["192.0.2.1"]
            assert resolver.cached("api.test") == ["192.0.2.1"]  # no waiting while the failure is fresh
        names.answers["api.test"] = ["192.0.2.2"]
        clock.ahead += 3.0
        assert await resolver.resolve("api.test") == ["192.0.2.2"]

    run(main)
    assert len(names.asked) == 5


def test_families_alternate_and_the_one_that_worked_leads(run: Run, clock: Clock) -> None:
    assert interleave(["2001:db8::1", "2001:db8::2", "192.0.2.1"]) == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
    assert interleave(["192.0.2.1", "192.0.2.2"]) == ["192.0.2.1", "192.0.2.2"]
    names = Names(api_test=["2001:db8::1", "192.0.2.1"])

    async def main() -> None:
        resolver = clock.resolver(names)
        await resolver.resolve("api.test")
        resolver.prefer("api.test", "192.0.2.1")
        assert resolver.cached("api.test") == ["192.0.2.1", "2001:db8::1"]
        resolver.prefer("api.test", "192.0.2.77")
        assert resolver.cached("api.test") == ["192.0.2.1", "2001:db8::1"]

    run(main)


def test_an_overlong_label_is_a_dns_error(run: Run) -> None:
    async def main() -> None:
        resolver = Resolver(asyncio.get_running_loop())
        with pytest.raises(DnsError):
            await resolver.resolve("a" * 300 + ".test")

    run(main)


def test_closing_with_a_lookup_under_way_leaves_nothing_behind(run: Run, clock: Clock) -> None:
    names = Names(api_test=["192.0.2.1"])
    names.gate.clear()

    async def main() -> None:
        resolver = clock.resolver(names)
        waiting = asyncio.ensure_future(resolver.resolve("api.test"))
        await asyncio.sleep(0)
        await resolver.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main)
    names.gate.set()

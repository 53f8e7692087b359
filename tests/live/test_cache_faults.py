"""The cache is never a reason to fail: killed, on a full disk, or damaged, it is bypassed or begun anew."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.rounds import measured, rounds
from tests.live.test_cache import cache_pid, cached, chat, send, until_hit, verdict
from tests.live.test_cache_commands import stats
from tests.live.test_similar import SENTENCE, SIMILAR, embedding, similar, until_similar
from tests.live.upstreams import Upstream
from tests.live.wire import KEY
from tests.waiting import wait_for


class Asking:
    """Callers on threads of their own, each asking one thing after the other, known ones and new ones in turns."""

    def __init__(self, gateway: Gateway, callers: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self.verdicts: Counter[str | None] = Counter()
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            try:
                answer = send(self._gateway, chat("known" if count % 2 else f"new {number} {count}"))
            except (OSError, AssertionError):
                self.statuses[0] += 1
                continue
            self.statuses[answer.status] += 1
            self.verdicts[verdict(answer)] += 1


def test_a_cache_process_that_is_killed_again_and_again_costs_no_request(
    upstream: Upstream, start_gateway: Start
) -> None:
    upstream.script = embedding
    gateway = start_gateway(similar(upstream))
    send(gateway, chat("known"))
    until_hit(gateway, chat("known"))
    kills = rounds(2, 50)
    with Asking(gateway) as asking:
        for _ in range(kills):
            before = gateway.send("mg-cache", signal.SIGKILL)
            wait_for(lambda pid=before: cache_pid(gateway) not in (0, pid), "another cache process")
    measured("kills", kills, "any")
    measured("requests meanwhile", asking.statuses.total(), "any")
    measured("requests failed", asking.statuses.total() - asking.statuses[200], "0")
    assert set(asking.statuses) == {200}
    assert asking.verdicts["hit-exact"]
    # And it keeps answers again.
    until_hit(gateway, chat("after it"))


def test_a_full_disk_keeps_nothing_and_costs_no_request(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(cached(upstream))
    gateway.wait_for_control()
    send(gateway, chat("known"))
    until_hit(gateway, chat("known"))
    pid = cache_pid(gateway)
    # Where its file system has no room, writes fail; here no file of this process may grow.
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    with Asking(gateway) as asking:
        wait_for(lambda: stats(gateway)["lost"], "answers that were not kept")
        told = stats(gateway)["store"]
    assert set(asking.statuses) == {200}
    assert (told["ok"], bool(told["problem"])) == (False, True)
    said = gateway.stderr()
    assert said.count("answers are not kept: answer cache: ") == 1, said
    assert sum("error" in line and "answer cache: " in line for line in said.splitlines()) == 1, said
    assert cache_pid(gateway) == pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    until_hit(gateway, chat("there is room again"))
    wait_for(lambda: stats(gateway)["store"]["ok"], "the store says so")


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * min(16384, path.stat().st_size))


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [overwritten, cut_short])
def test_damaged_files_are_begun_anew(upstream: Upstream, start_gateway: Start, damage: Callable[[Path], None]) -> None:
    upstream.script = embedding
    gateway = start_gateway(similar(upstream))
    until_similar(gateway, SENTENCE, SIMILAR)
    gateway.stop()
    files = [path for path in Path(gateway.paths.cache_dir).rglob("*") if path.is_file() and path.stat().st_size]
    for path in files:
        damage(path)
    gateway.start()
    assert send(gateway, chat("at once"), KEY).status == 200
    until_similar(gateway, SENTENCE, SIMILAR)
    said = gateway.stderr()
    for what in ("answer cache", "vector index"):
        lines = [line for line in said.splitlines() if what in line and "thrown away and begun anew" in line]
        assert len(lines) == 1, said

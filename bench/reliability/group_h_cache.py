"""Isolation of the cache: who is told whose answers."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.load.process import Process, free_port, wait_for_port
from bench.reliability.asking import running
from bench.reliability.figures import Outcome, figure
from bench.reliability.tenants import Probe, Prober, configured

AT_ONCE = 64
THRESHOLD = 0.6
PROBES = 50_000
"""Of each of the two configurations whose tenants are apart."""
OPEN_PROBES = 4000
"""Of the one in which everybody shares: the judge has to find them."""
HITS = ("hit-exact", "hit-similar", "joined")
_VERDICT = re.compile(rb"\r\nx-microgate-cache: ([a-z-]+)\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_SAID = re.compile(rb'"content": ?"([0-9]+)"')


class Told(NamedTuple):
    """What a probe was answered."""

    status: int
    verdict: str
    owner: int
    """Number of the probe for which the answer was made; -1 where it says none."""


async def _answer(reader: asyncio.StreamReader) -> Told:
    head = await reader.readuntil(b"\r\n\r\n")
    if found := _LENGTH.search(head):
        body = await reader.readexactly(int(found[1]))
    else:
        body = await reader.readuntil(b"0\r\n\r\n")
    verdict, said = _VERDICT.search(head), _SAID.findall(body)
    # All that it says: an answer made of two would be found as well.
    owner = int(said[0]) if len(said) == 1 else -1
    return Told(int(head[9:12]), verdict[1].decode() if verdict else "", owner)


def probe(port: int, prober: Prober, count: int) -> list[Told]:
    """Send so many probes over ``AT_ONCE`` connections; answers by the probes' numbers."""
    told: dict[int, Told] = {}

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while len(prober.probes) < count:
            one = prober.next()
            writer.write(one.raw)
            async with asyncio.timeout(60):
                told[one.number] = await _answer(reader)
            if told[one.number].status != 200:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(lane())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return [told[number] for number in range(len(prober.probes))]


def wrong(one: Probe, told: Told, all_of: list[Probe]) -> str:
    """What is wrong with this answer, if anything: ``one`` was told ``told``."""
    if one.refused or told.status != 200:
        return "" if one.refused and told.status == 400 else "answered otherwise than documented"
    if not 0 <= told.owner < len(all_of):
        return "an answer of nobody"
    owner = all_of[told.owner]
    if (owner is one) == (told.verdict in HITS):
        return "a hit that is called none, or the other way round"
    if owner.scope != one.scope:
        return "cross-scope hits"
    if owner.context != one.context:
        return "hits of another model, parameters, system prompt, tools or form"
    if told.verdict != "hit-similar" and owner.question.text != one.question.text:
        return "exact hits of another question"
    if owner.question.meaning != one.question.meaning:
        return "near misses answered"
    return ""


class Judged(NamedTuple):
    verdicts: Counter[str]
    faults: Counter[str]
    calls: int
    """Of the provider."""


def judged(scope: str, count: int, seed: int, configured_as: str = "") -> Judged:
    """Probe one configuration; ``scope``: what its tenants believe."""
    port, prober = free_port(), Prober(scope, seed)
    command = [sys.executable, "-m", "bench.reliability.owned", str(port)]
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as place:
        with Process("provider", command, Path(place)) as provider:
            wait_for_port(port, provider)
            url = f"http://127.0.0.1:{port}/v1"
            with running(configured(url, configured_as or scope, prober.everybody, THRESHOLD)) as gateway:
                told = probe(gateway.port, prober, count)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls") as answer:
                calls = int(json.loads(answer.read())["calls"])
    faults = Counter(wrong(one, told[one.number], prober.probes) for one in prober.probes)
    del faults[""]
    return Judged(Counter(one.verdict or str(one.status) for one in told), faults, calls)


CROSS = "cross-scope hits"
NEAR = "near misses answered"


@figure("H19", guard="tests/live/test_similar.py")
def isolation(quick: bool) -> Outcome:
    """Sixty tenants ask the same things, in the same and in other words, with near misses of them, and say whatever can
    be said about the cache; at the end everybody shares, which must be seen."""
    count = 3000 if quick else PROBES
    began = time.monotonic()
    found = {scope: judged(scope, count, seed) for seed, scope in enumerate(("key", "team"))}
    seconds = time.monotonic() - began
    told = judged("key", 1500 if quick else OPEN_PROBES, 2, "all").faults[CROSS]
    faults: Counter[str] = sum((one.faults for one in found.values()), Counter())
    values: dict[str, object] = {"probes": 2 * count, "probes a second": round(2 * count / seconds)}
    for scope, one in found.items():
        values[f"scope {scope}"] = ", ".join(f"{what} {number}" for what, number in sorted(one.verdicts.items()))
    values |= {CROSS: faults[CROSS], NEAR: faults[NEAR]}
    values["other faults"] = {what: number for what, number in faults.items() if what not in (CROSS, NEAR)} or "none"
    values["the same count where all share"] = told
    hits = all(min(one.verdicts[what] for what in HITS) > 0 for one in found.values())
    return Outcome(values, not faults and hits and told > 0)

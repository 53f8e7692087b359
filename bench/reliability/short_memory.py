"""Bodies that do not fit into the memory there is."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass
from typing import Any

from bench.load.subject import Subject
from bench.reliability.backlog import counted
from bench.reliability.counting import Counting
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from bench.reliability.limited import MIB, ControlGroup, Limited, limited

MEMORY = 512 * MIB
HELD_S = 10.0
"""For which the provider keeps each request."""
BODY = 1_000_000
ROOM = MEMORY / BODY / HELD_S
"""Such bodies a second fit into the memory, if there were nothing else in it."""
NOTE = """The processor is not limited here: a worker with a fifth of a core is late before its memory is short, and
refuses for that (17 % of the memory in use at three times its capacity)."""
STEPS = ("connections are not kept", "new requests are refused", "the largest are given up")


@dataclass(slots=True)
class Heavy(Subject):
    """Asks with bodies of 1 MB."""

    def body(self, kind: str) -> bytes:
        return b'{"model":"counted","messages":[{"role":"user","content":"%b"}]}' % (b"x" * BODY)


def _heavy(gateway: Limited) -> Heavy:
    one = gateway.gateway
    return Heavy(one.name, one.port, one.process, overhead_header=one.overhead_header)


def _kills(group: ControlGroup) -> int:
    text = group.read("memory.oom_control" if group.version == 1 else "memory.events")
    found = re.search(r"(?m)^oom_kill (\d+)", text)
    return int(found[1]) if found else 0


@figure("D3", guard="tests/overload/test_memory.py")
def memory_ladder(quick: bool) -> Outcome:
    """All processes of a gateway in 512 MiB, and three times the bodies that fit."""
    seconds = 25.0 if quick else 600.0
    provider = Counting(HELD_S)

    def change(config: dict[str, Any]) -> None:
        counted(provider, {})(config)

    with provider, limited(share=None, memory=MEMORY, change=change) as gateway:
        group = gateway.memory
        assert group is not None
        # Started anew within the group: a worker looks for the one that bounds it when it starts.
        first = gateway.worker
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: _replaced(gateway, first), "a worker has started in the group")
        worker = gateway.worker
        gateway.gateway = _heavy(gateway)
        load = gateway.load("instant", 3 * ROOM, seconds, max_connections=4000, warmup=1.0)
        most = 0.0

        def look() -> None:
            nonlocal most
            used = group.read("memory.usage_in_bytes" if group.version == 1 else "memory.current")
            most = max(most, int(used) / MEMORY)

        report = load.result(0.25, look)
        time.sleep(6)
        kills = _kills(group)
        alive = gateway.worker == worker
        cut = round(gateway.metric("microgate_memory_cut_total"))
        said = gateway.said()
    went = {step: _first(said, step) for step in STEPS}
    values = {
        "bodies of 1 MB that fit, a second": round(ROOM),
        "offered": round(report["offered_per_s"]),
        "seconds": seconds,
        "answered": report["statuses"].get("200", 0),
        "refused with 503": report["statuses"].get("503", 0),
        **{f"{step}, first at %": percent for step, percent in went.items()},
        "exchanges given up": cut,
        "most memory of the group in use, with its files' pages, %": round(100 * most, 1),
        "OOM kills": kills,
    }
    orderly = [percent for percent in went.values() if percent] == sorted(filter(None, went.values()))
    return Outcome(
        values, not kills and alive and orderly and went[STEPS[1]] > 0, report["void"] or " ".join(NOTE.split())
    )


def _replaced(gateway: Limited, pid: int) -> bool:
    with contextlib.suppress(StopIteration, OSError):
        return gateway.worker != pid and "serving" in gateway.get("/metrics")
    return False


def _first(said: str, step: str) -> int:
    found = re.search(rf"(\d+) % of the memory are in use: {step}", said)
    return int(found[1]) if found else 0

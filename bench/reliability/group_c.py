"""Streams: what is added to them, what becomes of them when either side fails, and what they leave behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.reliability.callers import load_rate
from bench.reliability.figures import Outcome, figure
from bench.reliability.scripts import DONE, FAULTS, FINISH, USAGE, cuts, random_stream, said, sent
from bench.reliability.streaming import Got, World, all_of, read, run, world
from gateway.records import Outcome as Ended

ROOT = Path(__file__).resolve().parents[2]
GUARD = "tests/live/test_streams.py"
MIB = 2**20


def stamped(got: list[float]) -> Any:
    """Takes pieces of a stream of stamps apart, and notes how late each arrived."""
    rest = b""

    def seen(data: bytes) -> None:
        nonlocal rest
        now = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        events = [json.loads(line[6:]) for line in lines if line.startswith(b'data: {"id"')]
        got.extend(now - float(one["choices"][0]["delta"]["content"]) for one in events if one["choices"][0]["delta"])

    return seen


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def stamps(port: int, raw: bytes, streams: int) -> list[float]:
    """How late each event of so many streams at once arrives."""
    late: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number / streams)
        await read(port, raw, stamped(late))

    await all_of(streams, streams, one)
    return late


@figure("C1", guard=GUARD)
def added_delay(quick: bool) -> Outcome:
    """Stamped events through the gateway, and past it."""
    count = 20 if quick else 200
    with world() as w:
        rate = load_rate(w.gateway.port, w.raw(None))
        streams = 20 if quick else max(50, int(rate / 4))
        raw = w.raw([["stamps", count, 0.1], ["send", DONE], ["end"]])
        through = run(stamps(w.gateway.port, raw, streams))
        direct = run(stamps(w.provider_port, raw, streams))
    median = (statistics.median(through) - statistics.median(direct)) * 1e3
    late = (percentile(through, 0.99) - percentile(direct, 0.99)) * 1e3
    values = {
        "streams at once": streams,
        "events": len(through),
        "added, median ms": round(median, 3),
        "added, 99th percentile ms": round(late, 3),
        "without the gateway, 99th percentile ms": round(percentile(direct, 0.99) * 1e3, 3),
    }
    whole = len(through) == len(direct) == streams * count
    return Outcome(values, whole and median <= 1 and late <= 5)


@figure("C2", guard=GUARD)
def integrity(quick: bool) -> Outcome:
    """Random streams in random pieces; what arrives has the same hash."""
    count, at_once = (500, 100) if quick else (10_000, 500)
    with world() as w:

        async def one(number: int) -> bool:
            whole = random_stream(number)
            dice = random.Random(-number)
            edges = sorted({0, len(whole), *(dice.randrange(len(whole)) for _ in range(dice.randrange(30)))})
            steps = sent([whole[a:b] for a, b in pairwise(edges)], 0.001 if number % 5 == 0 else 0.0)
            got = await read(w.gateway.port, w.raw([*steps, ["end"]]))
            right = hashlib.sha256(whole.encode("latin-1")).digest()
            return got.complete and hashlib.sha256(got.body).digest() == right

        equal = sum(run(all_of(count, at_once, one)))
    return Outcome({"streams": count, "at once": at_once, "equal": equal}, equal == count)


@figure("C3", guard="tests/corpus/test_sse_live.py")
def corpus(quick: bool) -> Outcome:
    """The corpus of event streams (MICROGATE_CORPUS), through a gateway and at every split of the bytes."""
    files = ["tests/corpus/test_sse_live.py", *([] if quick else ["tests/corpus/test_sse_corpus.py"])]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1]
    rows = len((Path(os.environ["MICROGATE_CORPUS"]) / "http-torture" / "sse-authored.jsonl").read_text().splitlines())
    return Outcome(
        {"streams": rows, "tests": last.partition(" in ")[0]}, done.returncode == 0 and "skipped" not in last
    )


@figure("C4", guard=GUARD)
def truncation(quick: bool) -> Outcome:
    """Cut at every byte before the last event, politely (last chunk) and not (FIN, RST)."""
    cases = list(cuts(quick))
    first = len(said("t0 "))
    with world() as w:

        async def one(number: int) -> str:
            whole, at, how = cases[number]
            steps = [["send", whole[:at]], ["pause", 0.005], [how]]
            got = await read(w.gateway.port, w.raw(steps))
            if got.status != 200:
                return "a status of its own" if at < first and got.complete else "wrong status"
            if b"[DONE]" in got.body or got.complete:
                return "clean end"
            return "told" if b'"error"' in got.body else "not told"

        found = Counter(run(all_of(len(cases), 50, one)))
    values = {
        "cuts": len(cases),
        "error event, no clean end": found["told"],
        "before the first event: an error with its status": found["a status of its own"],
        "clean ends": found["clean end"],
        "others": found["not told"] + found["wrong status"],
    }
    return Outcome(values, not values["clean ends"] and not values["others"])


@figure("C5", guard=GUARD)
def before_the_first_token(quick: bool) -> Outcome:
    """Each fault with and without another provider to go to."""
    rounds = 2 if quick else 50
    names = list(FAULTS) * rounds
    with world() as w:

        async def one(number: int) -> str:
            script = FAULTS[names[number]]
            alone = await read(w.gateway.port, w.raw(script))
            rescued = await read(w.gateway.port, w.raw(script, "rescued"))
            told = alone.status >= 400 and alone.complete and alone.body.startswith(b"{")
            whole = rescued.status == 200 and rescued.complete and b"sound" in rescued.body
            return "right" if told and whole else f"{names[number]}: {alone.status} {rescued.status}"

        found = Counter(run(all_of(len(names), 20, one)))
    values = {
        "faults": len(FAULTS),
        "calls": len(names),
        "JSON error with its status where nobody else can be asked, else another's answer": found["right"],
    }
    return Outcome(values, found["right"] == len(names))


@figure("C6", guard="tests/live/test_silence.py")
def stall(quick: bool) -> Outcome:
    """One token, then silence, with the default idle time-out of a minute."""
    streams = 3 if quick else 50
    with world() as w:

        async def one(number: int) -> tuple[float, bool]:
            last = time.monotonic()

            def seen(data: bytes) -> None:
                nonlocal last
                if b'"error"' not in data:
                    last = time.monotonic()

            await asyncio.sleep(number / 25)
            got = await read(w.gateway.port, w.raw([["send", said("a")], ["hold"]]), seen)
            return time.monotonic() - last, b'"error"' in got.body and not got.complete

        found = run(all_of(streams, streams, one))
    after = [seconds for seconds, _ in found]
    values = {
        "streams": streams,
        "told": sum(told for _, told in found),
        "error after, s": f"{min(after):.2f} to {max(after):.2f}",
    }
    return Outcome(values, values["told"] == streams and all(abs(seconds - 60) <= 1 for seconds in after))


@figure("C7", guard=GUARD)
def callers_that_leave(quick: bool) -> Outcome:
    """Each resets its connection after two tokens; the provider notes when it was closed."""
    count, at_once = (300, 50) if quick else (5_000, 200)
    with world() as w:
        raw = w.raw([["send", said("a") + said("b")], ["hold"]])
        files = _files(w)
        left: list[float] = []

        async def one(number: int) -> None:
            loop = asyncio.get_running_loop()
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", w.gateway.port))
            await loop.sock_sendall(sock, raw)
            got = b""
            while b'"b"' not in got:
                got += await loop.sock_recv(sock, 65536)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            left.append(time.monotonic())
            sock.close()

        began = time.monotonic()
        run(all_of(count, at_once, one))
        took = time.monotonic() - began
        time.sleep(1)
        closed = w.closed()
        more = _files(w) - files
        rows = w.rows()
    late = [there - here for here, there in zip(sorted(left), sorted(closed), strict=False)]
    aborted = sum(row.outcome == Ended.CLIENT_ABORT and row.completion_tokens == 2 for row in rows)
    values = {
        "callers": count,
        "within, s": round(took, 1),
        "provider's connections closed": len(closed),
        "at most later, ms": round(max(late) * 1e3, 1),
        "recorded with their tokens": aborted,
        "open files more": more,
    }
    clean = len(closed) == count == aborted and more <= 8
    return Outcome(values, clean and max(late) <= 0.1 and (quick or took <= 10))


def _files(w: World) -> int:
    """Open files of all workers."""
    shot = w.gateway.snapshot()
    roles = w.gateway.roles(shot)
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in shot.members if roles[pid] == "worker")


@figure("C8", guard="tests/corpus/test_recorded_usage.py")
def usage_of_streams(quick: bool) -> Outcome:
    """How providers say usage, and what the record has of it. Cost stands in records once prices do."""
    rounds = 5 if quick else 250
    names = list(USAGE) * rounds
    with world() as w:

        async def one(number: int) -> Got:
            return await read(w.gateway.port, w.raw([*sent([*USAGE[names[number]][0], DONE]), ["end"]]))

        run(all_of(len(names), 50, one))
        rows = w.rows()
    found = Counter((row.completion_tokens, row.usage_source) for row in rows)
    wanted = Counter((tokens, int(source)) for _, tokens, source in USAGE.values())
    right = sum(min(found[key], rounds * share) for key, share in wanted.items())
    values = {"streams": len(names), "recorded": len(rows), "with the last value, or an estimate marked so": right}
    return Outcome(values, right == len(names) == len(rows))


@figure("C9", guard="tests/live/test_pressure.py")
def callers_that_do_not_read(quick: bool) -> Outcome:
    """Stalled callers of streams that flood them, beside others that read."""
    count, streams = (100, 10) if quick else (1_000, 50)
    with world() as w:
        raw = w.raw([["stamps", 100, 0.05], ["send", DONE], ["end"]])
        before = run(stamps(w.gateway.port, raw, streams))
        rss = w.worker_rss()
        flood = w.raw([["flood", 64], ["end"]])
        stalled = []
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", w.gateway.port))
            sock.sendall(flood)
            stalled.append(sock)
        time.sleep(5)
        beside = run(stamps(w.gateway.port, raw, streams))
        rise = (w.worker_rss() - rss) / MIB
        for sock in stalled:
            sock.close()
    alone, late = percentile(before, 0.99) * 1e3, percentile(beside, 0.99) * 1e3
    values = {
        "callers that do not read": count,
        "memory more, MiB": round(rise, 1),
        "other streams' events late, 99th percentile ms": round(late, 2),
        "the same without them, ms": round(alone, 2),
        "times": round(late / alone, 2),
    }
    return Outcome(values, rise <= 256 and late <= 1.5 * alone)


@figure("C10", guard="tests/live/test_silence.py")
def drain(quick: bool) -> Outcome:
    """SIGTERM in the middle of streams, half of which end within the drain time of 5 s."""
    count = 20 if quick else 200
    with world() as w:

        async def one(number: int) -> Got:
            length = 3 if number % 2 else 12
            return await read(w.gateway.port, w.raw([["stamps", length * 10, 0.1], ["send", FINISH + DONE], ["end"]]))

        async def everybody() -> list[Got]:
            asyncio.get_running_loop().call_later(1.5, os.kill, w.gateway.process.pid, signal.SIGTERM)
            return await all_of(count, count, one)

        found = run(everybody())
    short, long = found[1::2], found[::2]
    values = {
        "streams": count,
        "ended cleanly within the drain time": sum(got.complete and b"[DONE]" in got.body for got in short),
        "of": len(short),
        "cut with an error event": sum(b'"error"' in got.body and not got.complete for got in long),
        "of the rest": len(long),
    }
    clean = values["ended cleanly within the drain time"] == len(short)
    return Outcome(values, clean and values["cut with an error event"] == len(long))


@figure("C12", guard="tests/live/test_translation.py")
def behind_the_end(quick: bool) -> Outcome:
    """More events behind [DONE], in the same piece and in later ones."""
    rounds = 20 if quick else 1_000
    whole = "".join([said("a"), FINISH, DONE])
    more = said("more") + DONE + said("and more")
    with world() as w:

        async def one(number: int) -> bool:
            at = random.Random(number).randrange(len(more))
            ways = [[whole + more], [whole, more], [whole + more[:at], more[at:]]]
            got = await read(w.gateway.port, w.raw([*sent(ways[number % 3], 0.002), ["end"]]))
            return got.complete and got.body == whole.encode()

        right = sum(run(all_of(rounds, 50, one)))
    return Outcome({"streams": rounds, "with nothing behind the end": right}, right == rounds)

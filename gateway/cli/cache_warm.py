"""``microgate cache warm FILE``: requests sent through the running gateway so that their answers are known afterwards.

A line whose answer is known costs nothing, so whoever is interrupted begins again. Kept is what the gateway says is
kept, once it is: an answer may be too long, or its store full.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from itertools import islice
from json import loads
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.cache import EXIT_FAILED, EXIT_OK, EXIT_WRONG, complain
from gateway.cli.calling import Answer, Asked, BadRequest, Calling, NobodyThere, read_requests

KEPT, KNOWN, SIMILAR, NOT_KEPT, FAILED = "kept", "known already", "answered as similar", "not kept", "failed"
GOOD = frozenset((KEPT, KNOWN, SIMILAR))
HITS = {"hit-exact": KNOWN, "joined": KNOWN, "hit-similar": SIMILAR}
TRIES = 5
"""Of a request that is to come back later (429, 503)."""
MOST_WAIT_S = 60.0
FIRST_LOOK_S, LAST_LOOK_S = 0.1, 3.2
"""Answers are kept some 50 ms behind: each look whether it is waits twice as long as the one before."""
IN_VAIN = (401, 402)
"""The key is not known, or its budget is used up: no other line would fare better."""
MOST_IN_A_ROW = 50
"""Failures, then the rest is left for another day."""
MOST_TOLD = 20
"""Lines that are told one by one."""


class Stopped(Exception):
    """The rest of the file is of no use now; the message says why."""


class Warming:
    """One run over a file, on several threads."""

    def __init__(self, refresh: bool, sure: bool) -> None:
        self.refresh = refresh
        self.sure = sure
        """The gateway tells what it has kept."""
        self.counts = dict.fromkeys((KEPT, KNOWN, SIMILAR, NOT_KEPT, FAILED), 0)
        self.cost = Decimal(0)
        self.told: list[tuple[int, str]] = []
        """Line and what is wrong with it, of the first ones."""
        self.stopped = threading.Event()
        self.why = ""
        """Why it was stopped."""
        self._lock = threading.Lock()
        self._in_a_row = 0

    def work(self, calling: Calling, lines: Iterator[Asked], progress: Progress) -> None:
        """What each thread does until there are no lines left."""
        try:
            while not self.stopped.is_set():
                with self._lock:
                    asked = next(lines, None)
                if asked is None:
                    return
                try:
                    result, why = self._one(calling, asked)
                except (OSError, HTTPException) as error:
                    result, why = FAILED, f"the answer broke off: {str(error) or type(error).__name__}"
                self._count(asked, result, why)
                progress.advance(progress.task_ids[0])
        except (NobodyThere, Stopped, BadRequest) as error:
            self.stop(str(error))
        finally:
            calling.close()

    def stop(self, why: str) -> None:
        with self._lock:
            self.why = self.why or why
        self.stopped.set()

    def _one(self, calling: Calling, asked: Asked) -> tuple[str, str]:
        started = time.monotonic()
        answer = self._asked(calling, asked)
        if answer.status in IN_VAIN:
            raise Stopped(answer.message)
        if answer.status != 200:
            return FAILED, answer.message
        with self._lock:
            self.cost += cost_of(answer)
        verdict = answer.fields.get("x-microgate-cache", "")
        if verdict in HITS:
            return HITS[verdict], ""
        if verdict != "miss":
            return NOT_KEPT, "such requests, or this key's, are not cached: microgate cache explain says why"
        if not self.sure or self._is_kept(calling, asked, started):
            return KEPT, ""
        return NOT_KEPT, "answered, but the answer is not kept: too long, or the store does not take it"

    def _asked(self, calling: Calling, asked: Asked) -> Answer:
        answer = calling.ask(asked, "refresh" if self.refresh else "on")
        for _ in range(TRIES - 1):
            if answer.status not in (429, 503) or self.stopped.wait(wait_of(answer)):
                break
            answer = calling.ask(asked, "refresh" if self.refresh else "on")
        return answer

    def _is_kept(self, calling: Calling, asked: Asked, started: float) -> bool:
        look = FIRST_LOOK_S
        while look <= LAST_LOOK_S and not self.stopped.wait(look):
            answer = calling.ask(asked, "explain")
            if answer.status != 200:
                raise Stopped(answer.message)
            exact = loads(answer.body)["exact"]
            # Not the one that was there before.
            if exact is not None and exact["age_s"] <= time.monotonic() - started + 1:
                return True
            look *= 2
        return False

    def _count(self, asked: Asked, result: str, why: str) -> None:
        with self._lock:
            self.counts[result] += 1
            if result not in GOOD and len(self.told) < MOST_TOLD:
                self.told.append((asked.line, why))
            self._in_a_row = self._in_a_row + 1 if result == FAILED else 0
            in_vain = self._in_a_row >= MOST_IN_A_ROW
        if in_vain:
            raise Stopped(f"{MOST_IN_A_ROW} requests in a row have failed")


def warm(file: str, url: str, key: str, concurrency: int, refresh: bool, out: TextIO) -> int:
    """Send the requests of ``file``; returns 0 when all answers are known then, 1 when some are not, 2 when the file is
    wrong: then nothing was sent."""
    try:
        count = sum(1 for _ in read_requests(file))
        callings = [Calling(url, key) for _ in range(min(concurrency, max(1, count)))]
        sure = count == 0 or _ready(callings[0], next(read_requests(file)))
    except BadRequest as error:
        return complain(str(error), EXIT_WRONG)
    except NobodyThere as error:
        return complain(str(error))
    except OSError as error:
        return complain(f"{file}: {error.strerror or error}", EXIT_WRONG)
    except (Stopped, HTTPException) as error:
        return complain(str(error))
    warming = Warming(refresh, sure)
    lines = islice(read_requests(file), count)
    with _progress() as progress, ThreadPoolExecutor(len(callings)) as pool:
        progress.add_task("", total=count)
        running = [pool.submit(warming.work, calling, lines, progress) for calling in callings]
        try:
            for each in running:
                each.result()
        except KeyboardInterrupt:
            warming.stop("interrupted")
    return _report(warming, count, out)


def _ready(calling: Calling, first: Asked) -> bool:
    """Whether the gateway tells what it has kept. Raises Stopped where it would keep nothing."""
    try:
        answer = calling.ask(first, "explain")
    finally:
        calling.close()
    if answer.status == 403:
        return False
    if answer.status in IN_VAIN or (answer.status == 400 and "x-microgate-cache" in answer.body.decode("latin-1")):
        raise Stopped(answer.message)
    return answer.status == 200


def _report(warming: Warming, count: int, out: TextIO) -> int:
    done = sum(warming.counts.values())
    for line, why in sorted(warming.told):
        print(f"line {line}: {why}", file=sys.stderr)
    told = [f"{number:,} {name}" for name, number in warming.counts.items() if number]
    print(f"{', '.join(told) or 'nothing to do'}; it cost USD {warming.cost.normalize():f}", file=out)
    if warming.stopped.is_set():
        return complain(f"{warming.why}; {count - done:,} lines were not sent: the same command goes on there")
    return EXIT_OK if all(name in GOOD or not number for name, number in warming.counts.items()) else EXIT_FAILED


def wait_of(answer: Answer) -> float:
    """Seconds until a request that was turned away is sent again."""
    try:
        return min(MOST_WAIT_S, max(0.0, float(answer.fields.get("retry-after", "1"))))
    except ValueError:
        return 1.0


def cost_of(answer: Answer) -> Decimal:
    try:
        return Decimal(answer.fields.get("x-microgate-cost", "0"))
    except InvalidOperation:
        return Decimal(0)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("requests"), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

"""Charts and pages over a log of ten million rows, and callers at 2,000 requests a second with the dashboard open and
without, and with the control process killed again and again."""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import openloop, placement, result, tree
from bench.load.session import Options, Session
from bench.load.subject import Subject, microgate
from bench.observe import fill
from bench.observe.asking import CHARTS, DAY_S, PAGES, REPORTS, Asking

RATE = 2000.0
TIMES = 5
POLLED_EVERY_S = 5.0
OPEN = ("30 days by model", "a day by model", "7 days by status")
"""Asked at once, again and again, by the open dashboard."""
SEARCHED = ("two words, errors only", "a middling word", "a word nobody said")
"""Looked for without a pause, page after page."""
KILLED_EVERY_S = 5.0
AWAY = (RuntimeError, OSError, http.client.HTTPException)
"""What a question comes to while control is not there."""


class Dashboard:
    """One that is open: a live view, charts that are drawn again every few seconds, and somebody who searches.

    Whoever finds control away asks again, as the pages do.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._closed = threading.Event()
        self.late_ms: list[float] = []
        """From the end of a request to its event."""
        self.told = self.skipped = self.away = 0
        self.charts_ms: list[float] = []
        self.pages_ms: list[float] = []
        self._threads = [
            threading.Thread(target=self._again, args=(act,)) for act in (self._watch, self._poll, self._search)
        ]
        for thread in self._threads:
            thread.start()

    def _again(self, act: Callable[[], None]) -> None:
        placement.elsewhere()
        while not self._closed.is_set():
            try:
                act()
            except AWAY:
                self.away += 1
                self._closed.wait(0.2)

    def _watch(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._asking.port, timeout=10)
        connection.request("GET", "/api/live", headers=self._asking.fields)
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"live view: {response.status}")
        event = b""
        while not self._closed.is_set() and (line := response.readline()):
            now = time.time()
            if line.startswith(b"event: "):
                event = line[7:].strip()
            elif line.startswith(b"data: ") and event == b"requests":
                data = json.loads(line[6:])
                self.skipped += data["skipped"]
                self.told += len(data["entries"])
                for entry in data["entries"]:
                    ended = dt.datetime.fromisoformat(entry["started_at"]).timestamp() + entry["total_us"] / 1e6
                    self.late_ms.append((now - ended) * 1000)
        connection.close()

    def _poll(self) -> None:
        for query in OPEN:
            self.charts_ms.append(self._asking.chart_ms(query))
        self._closed.wait(POLLED_EVERY_S)

    def _search(self) -> None:
        for query in SEARCHED:
            cursor = ""
            while cursor is not None and not self._closed.is_set():
                took_ms, page = self._asking.page(query, cursor)
                self.pages_ms.append(took_ms)
                cursor = page["next"]

    def close(self) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()

    def figures(self) -> dict[str, Any]:
        """Once it is closed."""
        return {
            "late_ms": {
                name: _percentile(self.late_ms, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1))
            },
            "told": self.told,
            "skipped": self.skipped,
            "chart_ms": {"p50": _percentile(self.charts_ms, 0.5), "most": _percentile(self.charts_ms, 1)},
            "pages": len(self.pages_ms),
            "page_ms": {"p50": _percentile(self.pages_ms, 0.5), "most": _percentile(self.pages_ms, 1)},
        }


def _percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1) if values else 0.0


def _control(subject: Subject, snapshot: tree.Snapshot) -> tree.Member:
    return next(member for member in snapshot.members.values() if subject.role(member) == "control")


def observe(options: Options) -> None:
    """Charts, pages and searches, and what an open dashboard and a dead control process cost those who are served."""
    rows, contents = (50_000, 2000) if options.quick else (fill.ROWS, fill.CONTENTS)
    kept = os.environ.get("MICROGATE_BENCH_OBSERVED", "")
    with Session(options) as session:
        directory = Path(kept) if kept else session.directory / "observed"
        directory.mkdir(parents=True, exist_ok=True)
        filled = json.loads((directory / "filled.json").read_text()) if (directory / "filled.json").exists() else {}
        if not filled:
            filled = fill.fill(str(directory / "data"), rows=rows)
        if "contents" not in filled:
            filled |= fill.said(str(directory / "data"), contents)
        if "ledger_rows" not in filled:
            filled |= fill.spent(str(directory / "data"), rows)
        (directory / "filled.json").write_text(json.dumps(filled))
        subject = microgate(directory, session.upstream, patience=120)
        with subject.process.stopped_on_failure():
            figures = {"filled": filled} | _figures(session, subject, directory / "data")
        subject.stop()
    result.write(
        "observe",
        "Charts, searches and the live view",
        f"A log of {filled['rows']:,} rows over {filled['days']} days with its roll-ups, a ledger of as many, and what "
        f"was said in {filled['contents']:,} of the requests; each chart, page and report asked {TIMES} times through "
        f"the gateway's port, its first time apart. Then interleaved rounds of {options.seconds:g} s, open loop, "
        f"{RATE:g} requests a second, with a dashboard open (a live view, three charts every 5 s, full-text searches "
        "one after the other) and without, no core falling asleep. Last, the same with a dashboard open while control "
        f"is killed every {KILLED_EVERY_S:g} s. {placement.method()}",
        figures,
        quick=options.quick,
    )


def _figures(session: Session, subject: Subject, data_dir: Path) -> dict[str, Any]:
    asking = Asking(subject, data_dir)
    asking.wait()
    session.place([subject])
    charts = {query: _timed(query, lambda query=query: asking.chart_ms(query)) for query in CHARTS}
    pages = {query: _timed(query, lambda query=query: asking.page(query)[0]) for query in PAGES}
    pages |= {f"by id, {days} days old": _by_id(asking, days) for days in (0, 1, 25)}
    reports = {query: _timed(query, lambda query=query: asking.report_ms(query)) for query in REPORTS}
    rounds: dict[str, list[dict[str, Any]]] = {"closed": [], "open": []}
    with placement.awake():
        for _ in range(session.options.rounds):
            for name, seen in rounds.items():
                seen.append(_round(session, subject, asking, is_open=name == "open"))
    ratio, own_ratio = (_ratio(rounds, name) for name in ("p99_us", "own_p99_us"))
    print(f"  p99 with the dashboard open: {ratio:.2f} times that without; of the gateway's own time: {own_ratio:.2f}")
    killed = _killed(session, subject, asking)
    return {
        "queries": charts, "pages": pages, "reports": reports, "rounds": rounds, "p99_ratio": ratio,
        "own_p99_ratio": own_ratio, "killed": killed, **session.remarks,
    }  # fmt: skip


def _ratio(rounds: dict[str, list[dict[str, Any]]], name: str) -> float:
    """Of the medians of rounds, with an open dashboard to without."""
    is_open, closed = (statistics.median(seen[name] for seen in rounds[which]) for which in ("open", "closed"))
    return round(is_open / closed, 3)


def _timed(name: str, ask: Callable[[], float]) -> dict[str, float]:
    first, *others = [ask() for _ in range(1 + TIMES)]
    found = {
        "first_ms": round(first, 1), "ms": round(statistics.median(others), 1), "most_ms": round(max(others), 1),
    }  # fmt: skip
    print(f"  {name:<28} first {first:>7.1f} ms, then {found['ms']:>7.1f}, at most {found['most_ms']:.1f}", flush=True)
    return found


def _by_id(asking: Asking, days: int) -> dict[str, float]:
    """A request that began so many days ago, by nothing but its id."""
    until = time.time() - days * DAY_S
    page: dict[str, Any] = {"entries": [], "next": ""}
    while not page["entries"]:
        _, page = asking.get(f"/api/logs?limit=1&until={until:.0f}{page['next'] and '&cursor='}{page['next']}")
    request_id = page["entries"][0]["request_id"]
    return _timed(f"by id, {days} days old", lambda: asking.get(f"/api/logs/{request_id}")[0])


def _round(session: Session, subject: Subject, asking: Asking, *, is_open: bool) -> dict[str, Any]:
    dashboard = Dashboard(asking) if is_open else None
    seconds = session.options.seconds
    before = subject.snapshot()
    report = openloop.load(session.directory, subject, "instant", rate=RATE, seconds=seconds, warmup=1.0)
    time.sleep(1.0)
    after = subject.snapshot(memory=True)
    control = _control(subject, after)
    cpu_us = tree.cpu_between(before, after).get(control.pid, 0)
    found = {
        "p50_us": report["latency_us"]["p50"],
        "p99_us": report["latency_us"]["p99"],
        "own_p50_us": report["header_us"]["p50"],
        "own_p99_us": report["header_us"]["p99"],
        "failed": report["failed"],
        "void": report["void"],
        "control_cpu_us_per_record": round(cpu_us / (RATE * (seconds + 1.0)), 2),
        "control_rss_mib": round(control.rss / 2**20, 1),
    }
    if dashboard is not None:
        dashboard.close()
        found |= dashboard.figures()
    print(f"  {'open  ' if is_open else 'closed'} {found}", flush=True)
    return found


def _killed(session: Session, subject: Subject, asking: Asking) -> dict[str, Any]:
    """Callers, a dashboard, and kill -9 of control, again and again: who was failed, and how many rows are missing."""
    seconds = 4 * KILLED_EVERY_S if session.options.quick else 12 * KILLED_EVERY_S
    dashboard = Dashboard(asking)
    kills = itertools.count()
    killed = 0

    def kill() -> None:
        nonlocal killed
        # The one that was started in the place of the last.
        session.place([subject])
        for member in subject.snapshot().members.values():
            if subject.role(member) == "control":
                os.kill(member.pid, signal.SIGKILL)
                killed = next(kills) + 1

    # Nothing of the rounds before is in the second from which rows are counted.
    time.sleep(2.0)
    begun = int(time.time())
    load = openloop.Load(session.directory, subject, "instant", rate=RATE, seconds=seconds, warmup=0.0)
    report = load.result(KILLED_EVERY_S, kill)
    dashboard.close()
    asking.wait()
    rows = _rows_since(asking, begun, report["sent"])
    found = {
        "seconds": seconds, "kills": killed, "sent": report["sent"], "failed": report["failed"],
        "statuses": report["statuses"], "p99_us": report["latency_us"]["p99"], "rows": rows,
        "lost": report["sent"] - rows, "away": dashboard.away, **dashboard.figures(),
    }  # fmt: skip
    print(f"  killed {found}", flush=True)
    return found


def _rows_since(asking: Asking, begun: int, expected: int) -> int:
    """Rows of the log of requests that began since then, once no more of them come."""
    end = time.monotonic() + 60
    while True:
        rows, cursor = 0, ""
        while cursor is not None:
            _, page = asking.get(f"/api/logs?limit=1000&since={begun}{cursor and '&cursor='}{cursor}")
            rows += len(page["entries"])
            cursor = page["next"]
        if rows >= expected or time.monotonic() > end:
            return rows
        time.sleep(1.0)

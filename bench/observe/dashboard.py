"""Charts over a log of ten million rows, and callers at 2,000 requests a second with the dashboard open and without."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from bench.load import openloop, placement, result, tree
from bench.load.session import Options, Session
from bench.load.subject import Subject, microgate
from bench.observe import fill

RATE = 2000.0
DAY_S = 86400
QUERIES = {
    "30 days by model": (30, "by=model"),
    "30 days by provider": (30, "by=provider"),
    "30 days by virtual key": (30, "by=virtual_key"),
    "30 days of a team by model": (30, "by=model&team=team-3"),
    "30 days of a virtual key": (30, "key=key-7"),
    "7 days by status": (7, "by=status"),
    "a day by model": (1, "by=model"),
}
"""What is asked -> days, parameters."""
TIMES = 5
CONTROL_S = 60.0
POLLED_EVERY_S = 5.0
OPEN = ("30 days by model", "a day by model", "7 days by status")
"""Asked at once, again and again, by the open dashboard."""


class Asking:
    """An operator's client of one gateway."""

    def __init__(self, subject: Subject, data_dir: Path) -> None:
        self.port = subject.port
        self.fields = {"authorization": f"Bearer {(data_dir / 'admin.token').read_text().strip()}"}

    def ms(self, query: str) -> float:
        """How long an answer took, its body read."""
        days, parameters = QUERIES[query]
        now = time.time()
        path = f"/api/series?since={now - days * DAY_S:.0f}&until={now:.0f}&groups=12&{parameters}"
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=self.fields)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        if response.status != 200 or not body["groups"]:
            raise RuntimeError(f"{query}: {response.status}")
        return (time.monotonic() - begun) * 1000

    def wait(self) -> None:
        """Until control answers: it begins once the workers serve."""
        end = time.monotonic() + CONTROL_S
        while True:
            try:
                self.ms("a day by model")
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return


class Dashboard:
    """One that is open: a live view, and charts that are drawn again every few seconds."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._closed = threading.Event()
        self.late_ms: list[float] = []
        """From the end of a request to its event."""
        self.told = self.skipped = 0
        self.queries_ms: list[float] = []
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._poll)]
        for thread in self._threads:
            thread.start()

    def _watch(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._asking.port, timeout=10)
        connection.request("GET", "/api/live", headers=self._asking.fields)
        response = connection.getresponse()
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
        while not self._closed.is_set():
            for query in OPEN:
                self.queries_ms.append(self._asking.ms(query))
            self._closed.wait(POLLED_EVERY_S)

    def close(self) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()


def _percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1) if values else 0.0


def _control(subject: Subject, snapshot: tree.Snapshot) -> tree.Member:
    return next(member for member in snapshot.members.values() if subject.role(member) == "control")


def observe(options: Options) -> None:
    """Dashboard queries, and what an open dashboard costs control and those who are served."""
    rows = 50_000 if options.quick else fill.ROWS
    kept = os.environ.get("MICROGATE_BENCH_OBSERVED", "")
    with Session(options) as session:
        directory = Path(kept) if kept else session.directory / "observed"
        directory.mkdir(parents=True, exist_ok=True)
        filled = json.loads((directory / "filled.json").read_text()) if (directory / "filled.json").exists() else {}
        if not filled:
            filled = fill.fill(str(directory / "data"), rows=rows)
            (directory / "filled.json").write_text(json.dumps(filled))
        subject = microgate(directory, session.upstream, patience=120)
        with subject.process.stopped_on_failure():
            figures = {"filled": filled} | _figures(session, subject, directory / "data")
        subject.stop()
    result.write(
        "observe",
        "Charts and the live view",
        f"A log of {filled['rows']:,} rows over {filled['days']} days with its roll-ups; each chart asked {TIMES} "
        f"times through the gateway's port, its first time apart. Then interleaved rounds of {options.seconds:g} s, "
        f"open loop, {RATE:g} requests a second, with a dashboard open (a live view, three charts every 5 s) and "
        "without. "
        f"{placement.method()}",
        figures,
        quick=options.quick,
    )


def _figures(session: Session, subject: Subject, data_dir: Path) -> dict[str, Any]:
    asking = Asking(subject, data_dir)
    asking.wait()
    queries = {}
    for query in QUERIES:
        first, *others = [asking.ms(query) for _ in range(1 + TIMES)]
        queries[query] = {
            "first_ms": round(first, 1),
            "ms": round(statistics.median(others), 1),
            "most_ms": round(max(others), 1),
        }
        print(f"  {query:<28} first {first:>7.1f} ms, then {queries[query]['ms']:>7.1f}, at most {max(others):.1f}")
    rounds: dict[str, list[dict[str, Any]]] = {"closed": [], "open": []}
    for _ in range(session.options.rounds):
        for name, seen in rounds.items():
            seen.append(_round(session, subject, asking, is_open=name == "open"))
    ratio = statistics.median(seen["p99_us"] for seen in rounds["open"]) / statistics.median(
        seen["p99_us"] for seen in rounds["closed"]
    )
    print(f"  p99 with the dashboard open: {ratio:.2f} times that without")
    return {"queries": queries, "rounds": rounds, "p99_ratio": round(ratio, 3), **session.remarks}


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
        "void": report["void"],
        "control_cpu_us_per_record": round(cpu_us / (RATE * (seconds + 1.0)), 2),
        "control_rss_mib": round(control.rss / 2**20, 1),
    }
    if dashboard is not None:
        dashboard.close()
        found |= {
            "late_ms": {
                name: _percentile(dashboard.late_ms, share)
                for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1))
            },
            "told": dashboard.told,
            "skipped": dashboard.skipped,
            "chart_ms": {"p50": _percentile(dashboard.queries_ms, 0.5), "most": _percentile(dashboard.queries_ms, 1)},
        }
    print(f"  {'open  ' if is_open else 'closed'} {found}")
    return found

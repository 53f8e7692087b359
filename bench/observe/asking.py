"""What an operator asks of a gateway, and how long the answers take."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

from bench.load.subject import Subject
from bench.observe.fill import WORDS

DAY_S = 86400
CHARTS = {
    "30 days by model": (30, "by=model"),
    "30 days by provider": (30, "by=provider"),
    "30 days by virtual key": (30, "by=virtual_key"),
    "30 days of a team by model": (30, "by=model&team=team-3"),
    "30 days of a virtual key": (30, "key=key-7"),
    "7 days by status": (7, "by=status"),
    "a day by model": (1, "by=model"),
}
"""What is asked -> days, parameters; only what a chart draws, as the dashboard asks."""
COMMON, MIDDLING, SELDOM = WORDS
PAGES = {
    "newest": "",
    "errors": "errors=true",
    "a key's timeouts": "key=key-499&status=504",
    "a team's streams that cost": "team=team-3&stream=true&min_cost=1000",
    "longer than 100 s": "min_ms=100000",
    "of no known key": "key=nobody",
    "a common word": f"search={COMMON}",
    "a middling word": f"search={MIDDLING}",
    "a seldom word": f"search={SELDOM}",
    "two words, errors only": f"search={COMMON}%20{MIDDLING}&errors=true",
    "a word nobody said": "search=zzzznowhere",
}
"""What is looked for in the request log -> parameters; 50 rows a page."""
REPORTS = {
    "30 days by provider and model": (30, "by=provider,model"),
    "30 days by virtual key": (30, "by=key"),
    "30 days of a virtual key by model": (30, "by=model&key=key-7"),
    "30 days by day": (30, "by=day"),
    "a day by hour": (1, "by=hour"),
}
"""What is asked of the ledger -> days, parameters."""
CONTROL_S = 60.0


class Asking:
    """An operator's client of one gateway."""

    def __init__(self, subject: Subject, data_dir: Path) -> None:
        self.port = subject.port
        self.fields = {"authorization": f"Bearer {(data_dir / 'admin.token').read_text().strip()}"}

    def get(self, path: str) -> tuple[float, Any]:
        """How many milliseconds an answer took, its body read, and what it says. Raises RuntimeError for a refusal,
        OSError and http.client.HTTPException without an answer."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=self.fields)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        took_ms = (time.monotonic() - begun) * 1000
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status}")
        return took_ms, json.loads(body)

    def chart_ms(self, query: str) -> float:
        days, parameters = CHARTS[query]
        now = time.time()
        took_ms, body = self.get(
            f"/api/series?since={now - days * DAY_S:.0f}&until={now:.0f}&groups=12&columns=requests&{parameters}"
        )
        if not body["groups"]:
            raise RuntimeError(f"{query}: nothing")
        return took_ms

    def report_ms(self, query: str) -> float:
        days, parameters = REPORTS[query]
        took_ms, body = self.get(f"/api/usage?since={time.time() - days * DAY_S:.0f}&{parameters}")
        if not body["entries"]:
            raise RuntimeError(f"{query}: nothing")
        return took_ms

    def page(self, query: str, cursor: str = "") -> tuple[float, Any]:
        return self.get(f"/api/logs?limit=50&{PAGES[query]}{cursor and '&cursor='}{cursor}")

    def wait(self) -> None:
        """Until control answers: it begins once the workers serve."""
        end = time.monotonic() + CONTROL_S
        while True:
            try:
                self.chart_ms("a day by model")
            except (RuntimeError, OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return

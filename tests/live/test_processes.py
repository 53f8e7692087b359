"""What callers notice of the processes' life: of reloads under load nothing, of a database that is away a word."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from bench.reliability.callers import Callers
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import rounds
from tests.live.upstreams import Upstream
from tests.live.wire import ask, request
from tests.waiting import wait_for


def ready(gateway: Gateway) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(gateway.get("/readyz").body)
    return told


def test_reloads_fail_no_request(start_gateway: Start, upstream: Upstream) -> None:
    upstream.keep = False
    config = configuration(upstream.url)
    gateway = start_gateway(config, workers=2)
    gateway.wait_for_control()
    with Callers(gateway.port, request(), count=8, rate=150) as callers:
        for number in range(rounds(4, 60)):
            before = ready(gateway)["snapshot"]
            more = [
                {"name": f"k{i}", "value": f"sk-{i:032d}", "limits": [{"concurrency": 5 + number}]} for i in range(3)
            ]
            gateway.configure({**config, "virtual_keys": config["virtual_keys"] + more[: 1 + number % 3]})
            os.kill(gateway.pid, signal.SIGHUP)
            wait_for(lambda b=before: all(ready(gateway)["snapshot"] > b for _ in range(8)), "both serve it")
    assert callers.failures == []
    assert set(callers.statuses) == {200}


def test_whoever_asks_while_control_is_away_is_told_at_once(start_gateway: Start, upstream: Upstream) -> None:
    """The waits between attempts are for providers."""
    retry = {"attempts": 5, "backoff_initial": "50s", "backoff_max": "50s", "budget": 10}
    gateway = start_gateway(configuration(upstream.url, retry=retry))
    gateway.wait_for_control()
    gateway.send("mg-control", signal.SIGKILL)
    answers = [ask(gateway.port, request("GET", "/metrics", None), timeout=30).status for _ in range(5)]
    assert set(answers) <= {200, 502}
    gateway.wait_for_control()


def test_without_its_databases_the_gateway_serves_and_says_so(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(configuration(upstream.url), workers=1)
    gateway.wait_for_control()
    wait_for(lambda: ready(gateway)["status"] == "ready", "all is well")
    log = Path(gateway.paths.log_dir)
    away = log.with_name("log-away")
    log.rename(away)
    log.touch()
    assert ask(gateway.port).status == 200
    # That records wait may be told first.
    wait_for(lambda: "request log" in ready(gateway).get("reason", ""), "readiness says so")
    assert ready(gateway)["status"] == "degraded"
    assert gateway.get("/livez").status == gateway.get("/readyz").status == 200
    assert ask(gateway.port).status == 200
    log.unlink(missing_ok=True)
    shutil.rmtree(log, ignore_errors=True)
    away.rename(log)
    wait_for(lambda: ready(gateway)["status"] == "ready", "it is back")
    token = (gateway.data_dir / "admin.token").read_text().strip()
    logs = request("GET", "/api/logs", None, token)
    wait_for(lambda: len(json.loads(ask(gateway.port, logs).body)["entries"]) == 2, "what happened meanwhile is kept")

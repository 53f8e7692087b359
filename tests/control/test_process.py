"""The control process from outside: sockets, admin API, metrics, death and return."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from _speedups._bucket import RingWriter
from gateway.control.exposition import FAMILIES
from gateway.records import ErrorKind, Outcome
from gateway.snapshot import store
from tests.control.deployed import dashboard_queries, labels_in, metrics_in, rule_queries
from tests.control.process import CONFIG, Answer, Control, wait_for
from tests.control.trail_records import exchange

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@pytest.fixture
def ring(control: Control) -> Iterator[RingWriter]:
    ring = RingWriter(control.paths.ring(0), 0, 1, control.paths.spill(0), 256 << 10)
    yield ring
    ring.close()


@pytest.fixture(scope="module")
def shared_ring(running: Control) -> Iterator[RingWriter]:
    ring = RingWriter(running.paths.ring(0), 0, 1, running.paths.spill(0), 256 << 10)
    yield ring
    ring.close()


def stored(control: Control, query: str = "") -> list[str]:
    entries = control.get(f"/api/logs?limit=1000{query}").json["entries"]
    return [entry["request_id"] for entry in entries]


def ids(*numbers: int) -> list[str]:
    return [f"{number:032x}" for number in numbers]


def test_sockets_and_files_are_private(running: Control) -> None:
    for path in (running.paths.admin_socket, running.paths.workers_socket, f"{running.paths.data_dir}/admin.token"):
        assert os.stat(path).st_mode & 0o777 == 0o600
    wait_for(lambda: os.path.exists(running.paths.control_db), "the control database")
    assert os.stat(running.paths.control_db).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/api/health", "/api/config", "/api/logs", "/api/schema/openapi.json"])
def test_the_api_asks_for_the_token(running: Control, path: str) -> None:
    for credential in ({}, {"authorization": "Bearer mga-wrong"}, {"authorization": running.token()}):
        answer = running.ask("GET", path, **credential)
        if path == "/api/schema/openapi.json":
            continue
        assert answer.status == 401
        assert answer.json["error"]["type"] == "authentication_error"
    assert running.get(path).status == 200


def test_errors_have_one_form_and_tell_nothing_internal(running: Control) -> None:
    answers = [
        running.get("/api/nothing"),
        running.get("/nothing"),
        running.ask("DELETE", "/metrics"),
        running.get("/api/logs?limit=0"),
        running.get("/api/logs?cursor=x"),
        running.get("/api/logs?request_id=zz"),
        running.get("/api/logs?since=1e300"),
        running.get("/api/logs?status=abc"),
    ]
    assert [answer.status for answer in answers] == [404, 404, 405, 400, 400, 400, 400, 400]
    for answer in answers:
        assert set(answer.json) == {"error"}
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        assert not re.search(r"Traceback|File \"|sqlite|/data/", answer.body.decode())


def test_the_page_of_metrics_is_read_whole_and_every_family_is_documented(
    running: Control, shared_ring: RingWriter
) -> None:
    worker = running.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    shared_ring.push(exchange(1, stream=1, chunks=3, ttft_us=5, queue_us=3))
    wait_for(lambda: stored(running), "the record")
    answer = running.get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert len(families) >= 40
    documented = DOCS.read_text()
    missing = [name for name in families if f"`{name}`" not in documented and f"`{name}_total`" not in documented]
    assert missing == []
    assert [family.name for family in FAMILIES if f"`{family.name}`" not in documented] == []
    known = families | {f"{name}_total" for name in families} | {family.name for family in FAMILIES}
    named = set(re.findall(r"^\| `(microgate_\w+)`", documented, re.MULTILINE))
    assert named - known == set()


def test_dashboard_and_alert_rules_ask_for_what_there_is(running: Control, shared_ring: RingWriter) -> None:
    shared_ring.push(exchange(9000, stream=1, chunks=4, ttft_us=300, queue_us=10, error_kind=int(ErrorKind.RESET)))
    wait_for(lambda: "microgate_queue_seconds_count" in running.get("/metrics").body.decode(), "its metrics")
    page = list(text_string_to_metric_families(running.get("/metrics").body.decode()))
    # Those of which there is no sample yet have a name all the same.
    names = {name for family in page for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")}
    labels = {label for family in page for sample in family.samples for label in sample.labels}
    # Prometheus' own, and those of metrics that have no samples here: a worker's reports, a cache's audit.
    labels |= {"instance", "worker", "reason"}
    queries = [*dashboard_queries(), *rule_queries()]
    assert len(queries) > 80
    assert {name for query in queries for name in metrics_in(query)} - names == set()
    assert {name for query in queries for name in labels_in(query)} - labels == set()
    assert labels_in('sum by (a, b) (x{c=~"$c",d!="e,f=g"}) / y{h="i"}') == {"a", "b", "c", "d", "h"}


def test_a_provider_key_that_cools_down_is_not_usable(running: Control) -> None:
    def usable(value: float) -> bool:
        line = f'microgate_provider_key_usable{{provider="mock",provider_key="k1"}} {value}\n'
        return line in running.get("/metrics").body.decode()

    snapshot = store.current(running.paths)
    assert snapshot is not None
    slot = snapshot.providers["mock"].keys[0].health_slot
    cells = running.arena.worker(0)
    try:
        assert usable(1.0)
        cells.set_cooldown(slot, time.monotonic_ns() + 3600 * 10**9)
        assert usable(0.0)
        cells.set_cooldown(slot, 0)
        assert usable(1.0)
    finally:
        cells.close()


def test_health_tells_of_workers_log_and_configuration(running: Control) -> None:
    report = running.get("/api/health").json
    assert report["status"] == "degraded"
    assert report["reasons"] == ["0 of 1 workers serve"]
    assert report["workers"][0]["state"] in ("dead", "starting")
    assert report["snapshot_version"] == 1
    assert report["log"]["available"] is True


def test_the_configuration_in_force_is_shown_without_credentials(running: Control) -> None:
    answer = running.get("/api/config")
    assert answer.json["providers"][0] | {"operations": []} == {
        "name": "mock", "vendor": "custom", "operations": [], "keys": ["k1"], "models": [], "listed": [],
        "enabled": True,
    }  # fmt: skip
    assert answer.json["virtual_keys"] == 2
    assert b"sk-" not in answer.body


def test_a_document_can_be_checked(running: Control) -> None:
    bearer = f"Bearer {running.token()}"

    def check(text: str, media: str = "application/yaml") -> dict[str, object]:
        answer = running.ask("POST", "/api/config/check", text.encode(), authorization=bearer, content_type=media)
        assert answer.status == 200, answer.body
        found: dict[str, object] = answer.json
        return found

    assert check(CONFIG)["valid"] is True
    wrong = check(CONFIG.replace("base_url", "bace_url"))
    assert wrong["valid"] is False
    assert wrong["mistakes"][0]["line"] == 5  # type: ignore[index] # a list of objects
    assert check('{"providers": {"x": {"nonsense": 1}}}', "application/json")["valid"] is False
    assert check("[server]\nport = 1", "application/toml")["valid"] is True
    answer = running.ask("POST", "/api/config/check", b"\xff\xfe", authorization=bearer)
    assert answer.status == 400
    assert running.ask("POST", "/api/config/check", b"{}").status == 401


def test_records_become_log_entries_with_names(control: Control, ring: RingWriter) -> None:
    ring.push(exchange(1))
    ring.push(exchange(2, status=429, outcome=int(Outcome.REFUSED), error_kind=8, provider=0, attempt=0, attempts=0))
    ring.push(exchange(3, virtual_key=77, stream=1))
    wait_for(lambda: len(stored(control)) == 3, "the records")
    entries = control.get("/api/logs").json["entries"]
    assert [entry["request_id"] for entry in entries] == ids(3, 2, 1)
    assert entries[2]["virtual_key"] == "alice"
    assert entries[2]["provider"] == "mock"
    assert entries[2]["provider_key"] == "mock/k1"
    assert entries[2]["operation"] == "chat"
    assert entries[1] | {"error": "rate_limited", "outcome": "refused", "provider": ""} == entries[1]
    assert entries[0]["virtual_key"] == f"id:{77:016x}"
    assert stored(control, "&key=alice&provider=mock") == ids(1)
    assert stored(control, "&status=429") == ids(2)
    assert stored(control, "&errors=true") == ids(2)
    assert stored(control, f"&request_id={ids(3)[0]}") == ids(3)
    assert stored(control, "&provider=unknown") == []
    page = control.get("/api/logs?limit=2").json
    rest = control.get(f"/api/logs?limit=2&cursor={page['next']}").json
    assert [entry["request_id"] for entry in page["entries"] + rest["entries"]] == ids(3, 2, 1)


def test_sigterm_takes_in_what_the_rings_hold_and_leaves_no_socket(control: Control, ring: RingWriter) -> None:
    for number in range(300):
        ring.push(exchange(number))
    assert control.end(signal.SIGTERM) == 0
    assert not os.path.exists(control.paths.admin_socket)
    assert not os.path.exists(control.paths.workers_socket)
    for number in range(300, 310):
        ring.push(exchange(number))
    control.start()
    wait_for(lambda: len(stored(control)) == 310, "all records")
    assert sorted(stored(control)) == ids(*range(310))


def test_after_kill_9_the_next_one_takes_over(control: Control, ring: RingWriter) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    sent = 0
    for _ in range(3):
        for _ in range(40):
            ring.push(exchange(sent))
            sent += 1
        control.end(signal.SIGKILL)
        wait_for(lambda: not worker.connected, "the loss")
        control.start()
        wait_for(lambda: worker.connected, "the reconnection")
    wait_for(lambda: len(stored(control)) == sent, "all records")
    assert sorted(stored(control)) == ids(*range(sent))
    assert control.version == 1
    control.file.write_text(CONFIG.replace("9001", "9005"))
    wait_for(lambda: worker.version == 2, "a change after the restart")


def test_a_broken_control_database_degrades_and_breaks_nothing_else(control: Control, ring: RingWriter) -> None:
    wait_for(lambda: os.path.exists(control.paths.control_db), "the control database")
    assert control.end() == 0
    Path(control.paths.control_db).write_bytes(b"broken" * 4000)
    control.start()
    report = wait_for(
        lambda: (found := control.get("/api/health").json) and "control database" in str(found["reasons"]) and found,
        "the reason",
    )
    assert report["status"] == "degraded"
    worker = control.add_worker()
    wait_for(lambda: any("control database" in reason for reason in worker.conditions), "the worker's knowledge of it")
    assert control.paths.data_dir not in str(worker.conditions)
    assert "control.db" not in str(report["reasons"])
    ring.push(exchange(1))
    wait_for(lambda: stored(control) == ids(1), "the record")


def test_it_can_be_stopped_while_it_still_imports(control: Control, ring: RingWriter) -> None:
    assert control.end() == 0
    Path(control.paths.control_db).unlink(missing_ok=True)
    ring.push(exchange(1))
    control.start(until=lambda: os.path.exists(control.paths.admin_socket))
    with closing(socket.socket(socket.AF_UNIX)) as caller:
        # It has its path a moment before it listens.
        wait_for(lambda: caller.connect_ex(control.paths.admin_socket) == 0, "somebody who listens")
        assert control.end() == 0
    assert "destroyed" not in control.log
    assert "never retrieved" not in control.log
    control.start()
    wait_for(lambda: stored(control) == ids(1), "the record")


def migration_of(control: Control) -> int:
    """Pid of the child that migrates the database, stopped; 0 while there is none."""
    assert control.process is not None
    for path in glob.glob(f"/proc/{control.process.pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for pid in map(int, Path(path).read_text().split()):
                if b"gateway.control.migrate" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGSTOP)
                    return pid
    return 0


def test_requests_of_the_first_moment_wait_for_the_database(control: Control) -> None:
    assert control.end() == 0
    for path in glob.glob(f"{control.paths.control_db}*"):
        os.unlink(path)
    control.start(until=lambda: migration_of(control))
    child = migration_of(control)
    wait_for(control.answers, "what needs no database")
    made: list[Answer] = []
    operator = {"name": "ann", "role": "viewer", "password": "a-long-password"}
    asking = threading.Thread(target=lambda: made.append(control.send_json("POST", "/api/operators", operator)))
    asking.start()
    asking.join(0.3)
    os.kill(child, signal.SIGCONT)
    asking.join()
    assert [answer.status for answer in made] == [201], made[0].body

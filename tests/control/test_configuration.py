"""From a changed file to workers that serve it, and what happens when the file is wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time

from _speedups._bucket import Arena
from gateway.snapshot import store
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import KeyTable
from gateway.snapshot.model import id_hash
from tests.control.process import CONFIG, Control, wait_for

ALICE = b"sk-alice-0123456789abcdef0123456789abcdef"
LIMITED = CONFIG.replace("name: bob,", "name: bob, limits: [{requests: 5, per: 60s}],")


def enabled(control: Control, key: bytes) -> bool:
    """Whether the table that the current snapshot names would let this key in."""
    snapshot = store.current(control.paths)
    assert snapshot is not None
    table = KeyTable.open(os.path.join(control.paths.runtime_dir, snapshot.table))
    try:
        row = table.find(key_digest(snapshot.pepper, key))
        return row >= 0 and table.row(row).enabled
    finally:
        table.close()


def is_noted(control: Control, name: str) -> bool:
    """Whether the control database has the name by now."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{control.paths.control_db}?mode=ro", uri=True)) as db:
            return bool(db.execute("SELECT 1 FROM names WHERE name = ?", (name,)).fetchone())
    except sqlite3.OperationalError:
        return False  # not there yet, or without tables


def test_the_boots_snapshot_is_confirmed_not_replaced(control: Control) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    wait_for(lambda: store.sealed_head(control.paths.sealed)[1] == 1, "the seal")
    assert control.version == 1
    assert worker.published == []
    assert control.get("/api/health").json["last_reload"]["ok"] is True


def test_a_changed_file_reaches_all_workers_as_a_delta_within_a_second(control: Control) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    control.file.write_text(CONFIG.replace("9001", "9002"))
    started = time.monotonic()
    wait_for(lambda: worker.published, "the new version")
    assert time.monotonic() - started < 20
    (publish,) = worker.published
    assert publish.version == 2
    assert publish.path == control.paths.snapshot(2)
    assert publish.delta is not None
    change = store.decode_delta(publish.delta)
    assert (change.base, list(change.providers)) == (1, ["mock"])
    assert change.providers["mock"].base_url == "http://127.0.0.1:9002/v1"
    wait_for(lambda: store.sealed_head(control.paths.sealed)[1] == 2, "the seal")
    assert not os.path.exists(control.paths.snapshot(1))
    assert os.stat(control.paths.sealed).st_mode & 0o777 == 0o600


def test_a_worker_that_was_away_is_told_when_it_connects(control: Control) -> None:
    control.file.write_text(CONFIG.replace("9001", "9002"))
    wait_for(lambda: control.version == 2, "the new version")
    worker = control.add_worker(version=1)
    wait_for(lambda: worker.version == 2, "the new version at the worker")
    assert worker.published[0].path == control.paths.snapshot(2)


def test_a_removed_key_is_closed_in_the_table_that_is_in_use(control: Control) -> None:
    old = store.current(control.paths)
    assert old is not None
    in_use = KeyTable.open(os.path.join(control.paths.runtime_dir, old.table))
    row = in_use.find(key_digest(old.pepper, ALICE))
    assert in_use.row(row).enabled
    control.file.write_text("\n".join(line for line in CONFIG.splitlines() if "alice" not in line))
    wait_for(lambda: not in_use.row(row).enabled, "the revocation")
    wait_for(lambda: control.version == 2, "the new version")
    assert not enabled(control, ALICE)
    in_use.close()


def test_a_mistake_changes_nothing_and_is_told_with_its_line(control: Control) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    control.file.write_text(CONFIG.replace("base_url", "bace_url"))
    report = wait_for(
        lambda: not (found := control.get("/api/health").json)["last_reload"]["ok"] and found,
        "the mistake in the report",
    )
    assert any("mistake" in reason for reason in report["reasons"])
    mistakes = report["last_reload"]["mistakes"]
    assert mistakes[0]["line"] == 5
    assert "bace_url" in mistakes[0]["message"] + mistakes[0]["field"]
    assert "microgate.yaml:5:" in control.log
    assert "microgate_config_last_reload_successful 0.0" in control.get("/metrics").body.decode()
    assert control.version == 1
    assert worker.published == []
    assert enabled(control, ALICE)
    control.file.write_text(CONFIG.replace("9001", "9003"))
    wait_for(lambda: worker.published, "the mended file")
    assert control.get("/api/health").json["last_reload"]["ok"] is True


def test_a_file_that_is_gone_changes_nothing(control: Control) -> None:
    control.file.unlink()
    wait_for(lambda: not control.get("/api/config").json["last_reload"]["ok"], "the report")
    assert control.version == 1
    assert enabled(control, ALICE)


def unchanged(control: Control) -> float:
    """How often control looked and found nothing new."""
    page = control.get("/metrics").body.decode()
    return float(page.split('microgate_config_reloads_total{result="unchanged"} ')[1].split("\n")[0])


def test_sighup_looks_at_the_file_at_once_and_an_equal_one_is_not_published(control: Control) -> None:
    # A database that was not ready at the start explains one look more, whenever it becomes ready; not two.
    for _ in range(3):
        seen = unchanged(control)
        control.send(signal.SIGHUP)
        wait_for(lambda before=seen: unchanged(control) > before, "another look")
    page = control.get("/metrics").body.decode()
    assert 'microgate_config_reloads_total{result="ok"} 0.0' in page
    assert control.version == 1


def test_slots_are_given_back_only_when_every_worker_has_confirmed(control: Control) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    control.file.write_text(LIMITED)
    wait_for(lambda: worker.version == 2, "the limit")
    arena = Arena.attach(control.paths.arena)
    snapshot = store.current(control.paths)
    assert snapshot is not None
    table = KeyTable.open(os.path.join(control.paths.runtime_dir, snapshot.table))
    (slot,) = [slot for row in table.rows() for slot in row.limits]
    table.close()

    def is_free() -> bool:
        """A slot that is given back is the lowest unused one again."""
        return arena.allocate() == slot

    worker.stuck = True
    control.file.write_text(CONFIG)
    wait_for(lambda: control.version == 3, "the version without the limit")
    time.sleep(1.0)
    assert not is_free()
    assert store.sealed_head(control.paths.sealed)[1] < 3
    worker.stuck = False
    control.file.write_text(CONFIG.replace("9001", "9004"))
    wait_for(lambda: worker.version == 4, "a version that works again")
    wait_for(is_free, "the slot")
    arena.close()


def test_names_of_what_is_gone_are_known_after_a_restart(control: Control) -> None:
    worker = control.add_worker()
    wait_for(lambda: worker.connected, "the worker's connection")
    wait_for(lambda: is_noted(control, "bob"), "the name in the control database")
    control.file.write_text("\n".join(line for line in CONFIG.splitlines() if "bob" not in line))
    wait_for(lambda: worker.version == 2, "the version without bob")
    assert control.end() == 0
    control.start()
    assert id_hash("file:virtual_key/bob")
    assert control.get("/api/logs?key=bob").json == {"entries": [], "next": None}

"""The supervisor with real processes: what happens when a worker, a service or the supervisor dies or freezes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.processes.harness import Gateway, Load, alive, ask, begin
from tests.waiting import wait_for


def test_serves_and_stops_in_order(gateway: Gateway) -> None:
    gateway.start(workers=2)
    wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer")
    wait_for(lambda: set(gateway.children()) == {"worker-0", "worker-1", "control"}, "all processes run")
    assert re.search(r"2 workers, each with at most \d+ open files and \d+ connections", gateway.out)
    children = gateway.children()
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert not any(map(alive, children.values()))
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()
    assert "Traceback" not in gateway.err


def test_a_stop_signal_to_the_whole_group_is_no_crash(gateway: Gateway) -> None:
    gateway.start(workers=2)
    wait_for(lambda: set(gateway.children()) == {"worker-0", "worker-1", "control"}, "all processes run")
    # It finds all its children ended when it looks.
    os.kill(gateway.pid, signal.SIGSTOP)
    children = gateway.children().values()
    for pid in [*children, gateway.pid]:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not any(map(alive, children)), "the children have ended")
    os.kill(gateway.pid, signal.SIGCONT)
    assert gateway.wait() == 0
    assert "next start" not in gateway.err


@pytest.mark.parametrize("rounds", [3])
def test_a_killed_worker_loses_only_what_it_was_answering(gateway: Gateway, rounds: int) -> None:
    gateway.start(workers=2)
    with Load(gateway, callers=6, path="/slow") as load:
        for victim in range(rounds):
            load.more(12)
            pid = gateway.worker(victim % 2)
            failed = len(load.failed_at)
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            wait_for(lambda p=pid, v=victim % 2: gateway.replaced(v, p), "a successor runs")
            load.more(24)
            assert all(began <= killed for began in load.failed_at[failed:]), load.errors
            assert len(load.failed_at) - failed <= 6
            wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer again")


def test_connections_that_wait_in_a_dead_workers_queue_are_answered(gateway: Gateway) -> None:
    gateway.start(workers=1)
    pid = gateway.worker(0)
    os.kill(pid, signal.SIGSTOP)
    waiting = [gateway.connect() for _ in range(20)]
    for sock in waiting:
        sock.sendall(b"GET /pid HTTP/1.1\r\nhost: x\r\n\r\n")
    os.kill(pid, signal.SIGKILL)
    for sock in waiting:
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        assert str(pid).encode() not in answer.partition(b"\r\n\r\n")[2]
        sock.close()


def test_a_stopped_worker_gets_no_new_connections_and_is_killed(gateway: Gateway) -> None:
    gateway.start(workers=2)
    frozen = gateway.worker(0)
    os.kill(frozen, signal.SIGSTOP)
    wait_for(lambda: "worker 0 is silent" in gateway.err, "its heartbeat is missed")
    for _ in range(20):
        assert gateway.get("/slot") == "1" or gateway.replaced(0, frozen)
    wait_for(lambda: gateway.replaced(0, frozen), "the frozen worker is replaced")
    wait_for(lambda: gateway.answering() == {"0", "1"}, "its successor answers")
    assert "no sign of life" in gateway.err
    assert "worker 0 was killed by SIGKILL" in gateway.err


def test_a_worker_that_never_starts_does_not_keep_the_others_from_serving(gateway: Gateway) -> None:
    gateway.start(workers=2, crash="1")
    assert gateway.answering() == {"0"}
    pauses = re.compile(r"worker 1 exited with status 70; next start in ([\d.]+) s")
    wait_for(lambda: len(pauses.findall(gateway.err)) >= 4, "it is tried again and again")
    found = [float(text) for text in pauses.findall(gateway.err)]
    assert found == sorted(found)
    assert found[-1] >= 4 * found[0]
    assert gateway.answering() == {"0"}
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0


def test_gives_up_when_no_worker_ever_starts(gateway: Gateway) -> None:
    gateway.launch(workers=2, crash="all")
    assert gateway.wait() == 1
    assert "no worker could be started" in gateway.err
    assert "this worker dies at its start" in gateway.err


def test_drain_lets_running_requests_finish(gateway: Gateway) -> None:
    gateway.start(workers=2)
    running = [gateway.connect() for _ in range(6)]
    idle = gateway.connect()
    assert ask(idle) == "ok"
    for sock in running:
        begin(sock, "/slow")
    gateway.signal(signal.SIGTERM)
    for sock in running:
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        sock.close()
    assert idle.recv(1) == b""
    idle.close()
    assert gateway.wait() == 0


def test_the_drain_has_an_end(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="0.5")
    with gateway.connect() as held:
        begin(held, "/hold")
        gateway.signal(signal.SIGTERM)
        assert b"cut by the drain's deadline" in held.recv(4096)
    assert gateway.wait() == 0


def test_a_worker_that_ignores_the_drain_is_killed(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="0.1")
    with gateway.connect() as held:
        begin(held, "/freeze")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 1


def test_a_second_signal_ends_it_at_once(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="600")
    with gateway.connect() as held:
        begin(held, "/hold")
        gateway.signal(signal.SIGINT)
        wait_for(lambda: "stopping" in gateway.err, "the drain has begun")
        gateway.signal(signal.SIGINT)
        assert gateway.wait() == 1


def test_connections_are_refused_once_the_drain_has_begun(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="600")
    with gateway.connect() as held:
        begin(held, "/hold")
        gateway.signal(signal.SIGTERM)

        def refused() -> bool:
            try:
                gateway.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        wait_for(refused, "new connections are refused")
        assert not gateway.ended


def test_a_killed_supervisor_takes_its_processes_along(gateway: Gateway) -> None:
    gateway.start(workers=2)
    wait_for(lambda: "control" in gateway.children(), "control runs")
    children = gateway.children()
    with gateway.connect() as running:
        begin(running, "/slow")
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait()
        # A drain, not a crash: what was running is answered.
        assert running.recv(4096).startswith(b"HTTP/1.1 200")
    wait_for(lambda: not any(map(alive, children.values())), "no orphan is left")
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()
    # And the next one starts on the same directory and port.
    port = gateway.port
    gateway.launch(port=port)
    wait_for(lambda: "listens on" in gateway.out or gateway.ended, "the next gateway listens")
    assert gateway.get() == "ok"


def test_a_successor_waits_for_the_drain_of_the_killed_ones_workers(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="0.5")
    with gateway.connect() as held:
        begin(held, "/hold")
        worker = gateway.worker(0)
        # It begins to drain when the successor's worker has met it, however long that takes to start.
        os.kill(worker, signal.SIGSTOP)
        try:
            assert gateway.process is not None
            gateway.process.kill()
            gateway.process.wait()
            gateway.launch(workers=1)
            wait_for(lambda: "still held by a draining worker" in gateway.err, "the successor's worker waits")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert b"cut by the drain's deadline" in held.recv(4096)
    wait_for(lambda: "listens on" in gateway.out or gateway.ended, "the successor listens")
    assert not gateway.ended


def test_no_child_holds_what_belongs_to_another(gateway: Gateway) -> None:
    gateway.start(workers=3)
    wait_for(lambda: len(gateway.children()) == 4, "all processes run")
    listening = listening_inodes(gateway.port)
    assert len(listening) == 3
    held = {name: listening & sockets_of(pid) for name, pid in gateway.children().items()}
    assert held["control"] == set()
    assert sorted(len(inodes) for inodes in held.values()) == [0, 1, 1, 1]
    assert set().union(*held.values()) == listening
    for name, pid in gateway.children().items():
        opened = descriptors_of(pid)
        assert not [path for path in opened if path == gateway.paths.lock], name
    # A worker that came later inherits no more than the first ones did.
    first = gateway.worker(1)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: gateway.replaced(1, first), "a successor runs")
    assert listening & sockets_of(gateway.worker(1)) == held["worker-1"]


def test_control_is_restarted_and_hears_of_reloads(gateway: Gateway) -> None:
    gateway.start(workers=1)
    seen = gateway.data_dir / "control-saw"
    wait_for(seen.exists, "control runs")
    first = gateway.children()["control"]
    gateway.signal(signal.SIGHUP)
    wait_for(lambda: "SIGHUP" in seen.read_text(), "control hears of the reload")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: seen.read_text().count("start") >= 2, "control is back")
    assert gateway.children()["control"] != first
    assert gateway.get() == "ok"


def test_a_control_process_that_keeps_crashing_harms_nobody(gateway: Gateway) -> None:
    gateway.start(workers=1, control="crash")
    wait_for(lambda: gateway.err.count("control exited with status 3") >= 3, "control is tried again")
    assert gateway.get() == "ok"


def test_a_second_instance_on_the_same_directory_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    gateway.start(workers=1)
    second = Gateway(tmp_path)
    second._out, second._err = tmp_path / "out2", tmp_path / "err2"
    second.launch()
    assert second.wait() == 1
    assert "is in use by another microgate" in second.err
    assert str(gateway.pid) in second.err
    assert gateway.get() == "ok"


def test_a_taken_port_is_named(gateway: Gateway) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        gateway.launch(port=other.getsockname()[1])
        assert gateway.wait() == 1
        assert f"cannot listen on 127.0.0.1:{other.getsockname()[1]}" in gateway.err


def test_a_failed_boot_ends_it_with_boots_own_words(gateway: Gateway) -> None:
    gateway.launch(boot="fail")
    assert gateway.wait() == 2
    assert gateway.err.strip() == "config.yaml:3: unknown field 'prot', did you mean 'port'?"


def test_boot_can_be_interrupted(gateway: Gateway) -> None:
    gateway.launch(boot="hang")
    wait_for(lambda: "boot" in gateway.children(), "boot runs")
    boot = gateway.children()["boot"]
    wait_for((gateway.data_dir / "boot-hangs").exists, "boot is at its work")
    gateway.signal(signal.SIGINT)
    assert gateway.wait() == 130
    assert not alive(boot)


def test_a_data_directory_that_cannot_be_made_is_named(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    gateway.launch()
    assert gateway.wait() == 1
    assert "not a directory" in gateway.err


def listening_inodes(port: int) -> set[str]:
    """Inodes of the sockets that listen on ``port``."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}


def descriptors_of(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(entry))
    return found


def sockets_of(pid: int) -> set[str]:
    return {link[8:-1] for link in descriptors_of(pid) if link.startswith("socket:[")}

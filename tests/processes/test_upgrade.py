"""A supervisor is replaced by another one: sockets, lock and arena go on, and nobody is refused."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.upgrade import upgrade
from gateway.processes.context import ServeOptions
from gateway.processes.handover import PROTOCOL, HandoverError, Inheritance, inherited, pair
from gateway.processes.holdings import Holdings
from gateway.processes.instance import holder
from gateway.processes.paths import Paths
from tests.beside import Beside
from tests.processes.harness import Gateway, Load, alive, ask, begin
from tests.waiting import wait_for


class KeptCallers(Beside):
    """Callers that ask again and again on the connection they have, and make another when they are told to."""

    def __init__(self, gateway: Gateway, callers: int = 4) -> None:
        super().__init__(callers)
        self.answers = 0
        self.connections = 0
        self.errors: list[str] = []
        self._gateway = gateway

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.connections += 1
                with self._gateway.connect() as sock:
                    while not self._stop.is_set():
                        ask(sock)
                        self.answers += 1
                        time.sleep(0.005)
                        if told_to_close(sock):
                            break
        except OSError as error:
            self.errors.append(repr(error))


def told_to_close(sock: socket.socket) -> bool:
    """Every client looks before it writes."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        sock.setblocking(True)


def begun(gateway: Gateway) -> int:
    """Process id of the successor that was started."""
    said = wait_for(lambda: re.search(r"process (\d+) is to take over", gateway.err), "a successor is started")
    return int(said[1])


def descriptors(pid: int) -> list[str]:
    """What they lead to."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


@pytest.fixture
def marks(gateway: Gateway) -> Iterator[Path]:
    """Where files tell a successor what to do; see the stub."""
    yield gateway.data_dir
    (gateway.data_dir / "boot-waits").unlink(missing_ok=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_is_refused_or_cut_over_several_upgrades(gateway: Gateway, workers: int) -> None:
    gateway.start(workers=workers)
    supervisors = [gateway.pid]
    with Load(gateway) as fresh, KeptCallers(gateway) as kept:
        for _ in range(3):
            fresh.more(50)
            old = list(gateway.children().values())
            assert gateway.upgrade().startswith("done: ")
            supervisors.append(gateway.pid)
            wait_for(lambda old=old: not any(map(alive, old)), "the old generation ends")
        fresh.more(50)
        before = kept.connections
    assert (fresh.errors, kept.errors) == ([], [])
    assert kept.answers > 50
    # Those who had a connection to each generation were told to make another.
    assert before >= 4 * len(supervisors)
    assert len(set(supervisors)) == len(supervisors)
    assert gateway.wait() == 0
    wait_for(lambda: not any(map(alive, supervisors[:-1])), "the old supervisors end")
    wait_for(lambda: gateway.answering() == {str(index) for index in range(workers)}, "all answer")


def test_nothing_is_left_over(gateway: Gateway) -> None:
    gateway.start(workers=2)
    gateway.answering()
    assert gateway.upgrade().startswith("done: ")
    once = wait_for(lambda: settled(gateway), "everybody is there and the pair is closed")
    for _ in range(2):
        assert gateway.upgrade().startswith("done: ")
        gateway.answering()
        # Each generation holds what the one before held, however many there were.
        wait_for(lambda: no_more(settled(gateway), once), f"descriptors are at most {once}")
    assert gateway.paths.lock in descriptors(gateway.pid)


def settled(gateway: Gateway) -> dict[str, int]:
    """How many descriptors each process has; empty while they are on their way."""
    children = gateway.children()
    if len(children) != 3 or sockets_to_predecessor(gateway.pid):
        return {}
    return {name: len(descriptors(pid)) for name, pid in [*sorted(children.items()), ("supervisor", gateway.pid)]}


def no_more(held: dict[str, int], before: dict[str, int]) -> bool:
    return bool(held) and all(held[name] <= before[name] for name in before)


def sockets_to_predecessor(pid: int) -> bool:
    text = Path(f"/proc/{pid}/net/unix").read_text()
    inodes = descriptors(pid)
    # Type 0005 is SOCK_SEQPACKET (include/linux/net.h): nothing else here uses it.
    return any(f"socket:[{line.split()[6]}]" in inodes for line in text.splitlines()[1:] if line.split()[4] == "0005")


def test_what_runs_is_finished_by_the_old_one(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="20")
    old = gateway.worker(0)
    with gateway.connect() as slow, gateway.connect() as idle:
        assert ask(idle, "/pid") == str(old)
        begin(slow, "/wait")
        assert gateway.upgrade().startswith("done: ")
        # Both accept until the old one has heard that it is over.
        wait_for(lambda: gateway.get("/pid") == str(gateway.worker(0)) != str(old), "the new worker answers")
        # A connection that was idle is answered once more, by the process that has it.
        assert ask(idle, "/release") == str(old)
        assert idle.recv(1) == b""
        assert slow.recv(4096).endswith(b"waited")
    wait_for(lambda: not alive(old), "the old worker ends")
    assert gateway.wait() == 0


def test_a_stop_signal_to_the_old_one_cuts_nobody(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="2")
    old = gateway.pid
    with gateway.connect() as held:
        begin(held, "/hold")
        assert gateway.upgrade().startswith("done: ")
        os.kill(old, signal.SIGTERM)
        assert held.recv(4096).endswith(b"cut by the drain's deadline")
    assert gateway.wait() == 0
    assert gateway.get() == "ok"


def test_another_upgrade_waits_for_the_end_of_the_old_generation(gateway: Gateway) -> None:
    gateway.start(workers=1, drain_timeout="600")
    old = gateway.pid
    with gateway.connect() as held:
        begin(held, "/hold")
        assert gateway.upgrade().startswith("done: ")
        assert gateway.upgrade() == "failed: workers of the version before still finish what they serve"
        assert alive(old)
        assert gateway.get() == "ok"
    wait_for(lambda: not alive(old), "the old one ends with its last connection")
    assert gateway.upgrade().startswith("done: ")


def test_a_configuration_that_is_refused_leaves_the_old_one_serving(gateway: Gateway, marks: Path) -> None:
    gateway.start(workers=2)
    everybody = wait_for(lambda: len(found := gateway.children()) == 3 and found, "all processes run")
    (marks / "boot-fails").touch()
    with Load(gateway) as load:
        outcome = gateway.upgrade()
        load.more(20)
    assert outcome.startswith("failed: the new process ")
    assert outcome.endswith("exited with status 2: config.yaml:3: unknown field")
    assert outcome.removeprefix("failed: ") in gateway.err
    assert load.errors == []
    assert {name: pid for name, pid in gateway.children().items() if name != "boot"} == everybody
    (marks / "boot-fails").unlink()
    assert gateway.upgrade().startswith("done: ")


def test_workers_that_do_not_start_leave_the_old_one_serving(gateway: Gateway, marks: Path) -> None:
    gateway.start(workers=2)
    (marks / "worker-fails").touch()
    with Load(gateway) as load:
        outcome = gateway.upgrade()
    assert outcome.endswith("exited with status 1: its workers end as soon as they are started")
    assert load.errors == []
    wait_for(lambda: gateway.answering() == {"0", "1"}, "both answer")


def test_a_successor_that_takes_too_long_is_given_up(gateway: Gateway, marks: Path) -> None:
    gateway.options["upgrade_timeout"] = 0.5
    gateway.start(workers=1)
    (marks / "boot-waits").touch()
    assert gateway.upgrade().endswith(": it did not serve within 0.5 s")
    assert gateway.get() == "ok"
    wait_for(lambda: len(gateway.children()) == 2, "worker and control alone run")


def test_an_installation_that_is_gone_leaves_the_old_one_serving(gateway: Gateway, tmp_path: Path) -> None:
    gateway.start(workers=1)
    # What the interpreter is told to run is a path: here to a program that cannot even be read.
    entry = gateway.launched_as
    entry.rename(tmp_path / "away")
    assert gateway.upgrade().endswith("exited with status 2: the log says why")
    assert gateway.get() == "ok"
    (tmp_path / "away").rename(entry)
    assert gateway.upgrade().startswith("done: ")


def test_the_new_code_is_what_serves(gateway: Gateway) -> None:
    gateway.start(workers=1)
    assert gateway.get() == "ok"
    entry = gateway.launched_as
    entry.write_text(
        entry.read_text().replace("import sys\n", "import sys\nimport stub\nstub.ANSWER = 'new code'\n", 1)
    )
    assert gateway.upgrade().startswith("done: ")
    gateway.wait()
    assert {gateway.get() for _ in range(10)} == {"new code"}


def test_a_successor_that_is_killed_on_the_way_harms_nobody(gateway: Gateway, marks: Path) -> None:
    gateway.start(workers=2)
    (marks / "boot-waits").touch()
    with Load(gateway) as load:
        gateway.signal(signal.SIGUSR2)
        successor = begun(gateway)
        load.more(20)
        before = gateway.upgrade_outcome()
        os.kill(successor, signal.SIGKILL)
        wait_for(lambda: gateway.upgrade_outcome() != before, "its death is noticed")
        load.more(20)
    assert load.errors == []
    assert gateway.upgrade_outcome()[3].endswith(f"{successor} was killed by SIGKILL: the log says why")
    (marks / "boot-waits").unlink()
    assert gateway.upgrade().startswith("done: ")


def test_when_the_old_one_is_killed_on_the_way_the_new_one_takes_over(gateway: Gateway, marks: Path) -> None:
    gateway.start(workers=1)
    old = gateway.pid
    (marks / "boot-waits").touch()
    gateway.signal(signal.SIGUSR2)
    wait_for(lambda: "is to take over" in gateway.err, "it begins")
    os.kill(old, signal.SIGKILL)
    (marks / "boot-waits").unlink()
    wait_for(lambda: holder(gateway.paths.lock) not in (0, old), "the new one signs the lock")
    gateway.successor = holder(gateway.paths.lock)
    wait_for(lambda: gateway.answering() == {"0"}, "it serves")
    wait_for(lambda: "control" in gateway.children(), "it has a control process")


def test_a_stop_signal_ends_both(gateway: Gateway, marks: Path) -> None:
    gateway.start(workers=1)
    (marks / "boot-waits").touch()
    gateway.signal(signal.SIGUSR2)
    successor = begun(gateway)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert not alive(successor)


def test_systemd_is_told_who_the_main_process_is(gateway: Gateway, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        gateway.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        gateway.start(workers=1)
        assert told.recv(100) == b"READY=1"
        gateway.upgrade()
        assert told.recv(100) == f"MAINPID={gateway.pid}".encode()
        assert told.recv(100) == b"READY=1"
        gateway.signal(signal.SIGTERM)
        assert told.recv(100) == b"STOPPING=1"


def test_the_command_reports_what_came_of_it(
    gateway: Gateway, marks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upgrade(str(tmp_path / "nowhere")) == 1
    assert capsys.readouterr().err == f"microgate: no gateway runs on {tmp_path / 'nowhere'}\n"
    gateway.start(workers=1)
    old = gateway.pid
    assert upgrade(str(gateway.data_dir)) == 0
    gateway.successor = holder(gateway.paths.lock)
    assert capsys.readouterr().out == f"process {gateway.successor} has taken over from process {old}\n"
    (marks / "boot-fails").touch()
    wait_for(lambda: not alive(old), "the old one has ended")
    assert upgrade(str(gateway.data_dir)) == 1
    assert "microgate: not upgraded: the new process " in capsys.readouterr().err


def inheritance(options: ServeOptions, **other: int) -> Inheritance:
    told = {"host": options.host, "port": 8080, "workers": options.workers, "first_place": 0, "demo_key": ""}
    return Inheritance(**{**told, **other})  # type: ignore[arg-type]


def test_two_that_do_not_fit_each_other_are_told_to_restart(tmp_path: Path) -> None:
    paths, options = Paths(str(tmp_path)), ServeOptions(workers=2)
    with pytest.raises(HandoverError, match=r"has 3 workers at 127\.0\.0\.1, .* restart it instead"):
        Holdings.take(paths, options, inheritance(options, workers=3), [])
    paths.create()
    Path(paths.arena).write_bytes(bytes(8192))
    with pytest.raises(HandoverError, match="the arena is of another version"):
        Holdings.take(paths, options, inheritance(options), [0, 0])


def test_descriptors_arrive_in_order_however_many_there_are() -> None:
    ours, theirs = pair()
    files = [os.memfd_create(str(number)) for number in range(200)]
    thread = threading.Thread(target=ours.give, args=(inheritance(ServeOptions()), files))
    thread.start()
    told, found = theirs.take()
    thread.join()
    try:
        assert told.port == 8080
        assert [os.fstat(fd).st_ino for fd in found] == [os.fstat(fd).st_ino for fd in files]
        assert not any(map(os.get_inheritable, found))
    finally:
        for fd in files + found:
            os.close(fd)
        ours.close()
        theirs.close()


def test_another_protocol_is_refused() -> None:
    ours, theirs = pair()
    ours.say({"protocol": PROTOCOL + 1})
    with pytest.raises(HandoverError, match="restart it instead"):
        theirs.take()
    ours.close()
    with pytest.raises(HandoverError, match="ended"):
        theirs.take()
    theirs.close()


def test_an_ordinary_start_inherits_nothing() -> None:
    assert inherited({}) is None
    with pytest.raises(HandoverError, match="no hand-over"):
        inherited({"MICROGATE_HANDOVER": "x"})

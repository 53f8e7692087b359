"""A whole gateway with a stub runtime, as a subprocess that a test can look into and hurt."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.processes.instance import holder
from gateway.processes.paths import Paths
from tests.beside import Beside
from tests.ports import free_port
from tests.waiting import PATIENCE_S, wait_for

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Gateway:
    """``start`` it, ask it, hurt it. Everything it says is in ``out`` and ``err``."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self.paths = Paths(str(self.data_dir))
        self._out = directory / "out"
        self._err = directory / "err"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.successor = 0
        """Process id of the supervisor that has taken over from the one that was started."""
        self.options: dict[str, object] = {}
        self.environ: dict[str, str] = {}
        self.said_to: int | None = None
        """Descriptor in the place of the file that standard error is kept in."""
        self.launched_as = directory / "launch.py"
        """What the interpreter runs: a copy, so that a test may change it before an upgrade."""
        self.entries = {"boot": "stub:boot", "runtime": "stub:Runtime", "control": "stub:control"}

    def launch(self, *, workers: int = 1, port: int = 0, **stub: str) -> None:
        """Start the process; ``stub`` are the variables that steer the stand-ins (without STUB_)."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("STUB_", "MICROGATE_LO"))}
        environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(ROOT), environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        )
        environ |= self.environ
        environ.update({f"STUB_{name.upper()}": value for name, value in stub.items()})
        options: dict[str, object] = {
            "workers": workers,
            "port": port,
            "data_dir": str(self.data_dir),
            "log_level": "debug",
        }
        options |= self.options
        shutil.copy(HERE / "launch.py", self.launched_as)
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(self.launched_as), json.dumps({"options": options, "entries": self.entries})],
                stdout=out,
                stderr=err if self.said_to is None else self.said_to,
                env=environ,
                stdin=subprocess.DEVNULL,
            )

    def start(self, *, workers: int = 1, **stub: str) -> Gateway:
        """Start and wait until it listens."""
        self.launch(workers=workers, port=free_port(), **stub)
        wait_for(lambda: "listens on" in self.out or self.ended, "the gateway listens")
        found = re.search(r"listens on http://127\.0\.0\.1:(\d+)", self.out)
        assert found, self.err
        self.port = int(found[1])
        return self

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def pid(self) -> int:
        """Of the supervisor in charge."""
        assert self.process is not None
        return self.successor or self.process.pid

    @property
    def ended(self) -> bool:
        assert self.process is not None
        return not alive(self.successor) if self.successor else self.process.poll() is not None

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Exit status of the supervisor that was started."""
        assert self.process is not None
        return self.process.wait(seconds)

    def upgrade(self) -> str:
        """Ask for a successor and wait for what comes of it: its message, ``done: ...`` or ``failed: ...``."""
        before = self.upgrade_outcome()
        os.kill(self.pid, signal.SIGUSR2)
        wait_for(lambda: self.upgrade_outcome() != before, "the upgrade has an outcome")
        state, message = self.upgrade_outcome()[2:]
        if state == "done":
            wait_for(lambda: holder(self.paths.lock) != self.pid, "the successor signs the lock")
            self.successor = holder(self.paths.lock)
        return f"{state}: {message}"

    def upgrade_outcome(self) -> tuple[int, int, str, str]:
        try:
            found = os.stat(self.paths.upgrade)
            told = json.loads(Path(self.paths.upgrade).read_text())
        except FileNotFoundError:
            return 0, 0, "", ""
        return found.st_ino, found.st_mtime_ns, told["state"], told["message"]

    def children(self) -> dict[str, int]:
        """Process name -> pid of the supervisor's children: ``worker-0``, ``control``, ..."""
        found = {}
        for text in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name = Path(f"/proc/{text}/comm").read_text().strip()
                if name.startswith("mg-") and alive(int(text)):
                    found[name.removeprefix("mg-")] = int(text)
        return found

    def worker(self, index: int) -> int:
        """Pid of a worker; waits until there is one."""
        wait_for(lambda: f"worker-{index}" in self.children(), f"worker {index} runs")
        return self.children()[f"worker-{index}"]

    def replaced(self, index: int, pid: int) -> bool:
        return self.children().get(f"worker-{index}", pid) != pid

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def get(self, path: str = "/") -> str:
        """Body of the answer, over a connection of its own. Raises OSError when there is none."""
        with self.connect() as sock:
            return ask(sock, path)

    def answering(self) -> set[str]:
        """Slots that answered 40 fresh connections."""
        return {self.get("/slot") for _ in range(40)}

    def signal(self, number: int) -> None:
        if not self.ended:
            os.kill(self.pid, number)

    def destroy(self) -> None:
        """End whatever is left, and show what it said when the test failed."""
        left = []
        if self.process is not None:
            if not self.ended:
                left = list(self.children().values())
                os.kill(self.pid, signal.SIGKILL)
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not any(map(alive, left)), "killed children are gone")
        sys.stdout.write(self.out if self._out.exists() else "")
        sys.stderr.write(self.err if self._err.exists() else "")
        shutil.rmtree(self.paths.runtime_dir, ignore_errors=True)


def ask(sock: socket.socket, path: str = "/") -> str:
    """One request on an open connection. Raises OSError when the answer does not come whole."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError("closed before the answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    while len(body) < int(found[1]):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError("closed within the answer")
        body += piece
    return body.decode()


def begin(sock: socket.socket, path: str) -> None:
    """Send a request that takes long; returns when the worker is at it."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n".encode())
    assert sock.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE


class Load(Beside):
    """Callers that ask again and again, each request on a fresh connection; when each failed request had begun."""

    def __init__(self, gateway: Gateway, callers: int = 8, path: str = "/") -> None:
        super().__init__(callers)
        self.answers = 0
        self.failed_at: list[float] = []
        self.errors: list[str] = []
        self._gateway = gateway
        self._path = path
        self._lock = threading.Lock()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._gateway.get(self._path)
            except OSError as error:
                with self._lock:
                    self.failed_at.append(began)
                    self.errors.append(repr(error))
            else:
                with self._lock:
                    self.answers += 1
            time.sleep(0.005)

    def more(self, answers: int) -> None:
        """Wait for that many further answers."""
        goal = self.answers + answers
        wait_for(lambda: self.answers >= goal, f"{answers} more answers")

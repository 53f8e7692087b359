"""A PostgreSQL server of the tests' own: its programs come from the Debian package ``postgresql``, its data lie in a
directory of its own, it listens on a unix socket only."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.control.migrate import upgrade
from tests.waiting import wait_for

PORT = 5432
"""Part of the socket's name; nothing listens on it."""


def programs() -> Path:
    """Where ``initdb`` and ``postgres`` are. Raises FileNotFoundError: without a server nothing is tested."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


class PostgresServer:
    """Started when made; ``stop`` and ``start`` again at will."""

    def __init__(self, *, durable: bool = False, vectors: bool = False) -> None:
        """``durable``: what is committed is on the disk, as in production; tests of statements do without. ``vectors``:
        the server of the package ``pgserver``, which has the extension pgvector; it knows no schema of ours."""
        # The server refuses to be root.
        self._user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.directory = Path(tempfile.mkdtemp(prefix="mg-pg-"))
        self._data = self.directory / "data"
        self._durable = durable
        self._programs = self._with_vectors() if vectors else programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._making = threading.Lock()
        try:
            if self._user is not None:
                os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
            self._run(
                "initdb",
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
                str(self._data),
            )
            self.start()
            if vectors:
                return
            with self.connect() as connection:
                connection.execute("CREATE DATABASE migrated")
            upgrade(self.url("migrated"))
        except BaseException:
            self.close()
            raise

    def _with_vectors(self) -> Path:
        """A copy where the server's user may read it: the environment may lie in a home directory that is closed to
        others, and ``pgserver`` itself would open it to all."""
        spec = importlib.util.find_spec("pgserver")
        assert spec is not None
        assert spec.origin is not None
        found = Path(spec.origin).parent
        copied = self.directory / "pgserver"
        shutil.copytree(found, copied, ignore=shutil.ignore_patterns("include", "*.a", "*.pyc"))
        shutil.copytree(f"{found}.libs", f"{copied}.libs")
        return copied / "pginstall" / "bin"

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, check=False, **self._identity()
        )  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def start(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "port": str(PORT),
            "shared_buffers": "32MB",
            "max_connections": "60",
            **({} if self._durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
        }
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._identity()
            )  # type: ignore[call-overload]
        wait_for(self._answers, "PostgreSQL")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text()[-2000:])
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are cut, nothing is lost; SIGQUIT: as if it had crashed."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(60)

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, name: str, host: str = "") -> str:
        """Of a database; ``host``: another directory with a socket in it."""
        return f"postgresql://postgres@/{name}?host={host or self.directory}&port={PORT}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url(name), autocommit=True, connect_timeout=5)

    def database(self, *, empty: bool = False) -> str:
        """URL of a new database, with the schema of this version unless ``empty``."""
        with self._making, self.connect() as connection:
            name = f"test_{next(self._numbers)}"
            template = "template1" if empty else "migrated"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def close(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """All its processes are stopped: connections are accepted by the kernel, and nobody answers."""
    pids = [server.pid, *map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a process; each takes a database of its own."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def vector_postgres() -> Iterator[PostgresServer]:
    """Likewise, with pgvector."""
    server = PostgresServer(vectors=True)
    yield server
    server.close()

"""A Redis server of the tests' own, from the Debian package ``redis-server``: on ports of loopback that were free, with
a password, plain and over TLS, and keeping nothing on the disk."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port
from tests.waiting import wait_for

PASSWORD = "s3cr3t/@:%#?"
"""With all that a URL would read as something else."""


def program() -> str:
    """Installed when it is missing and this may install. Raises FileNotFoundError: without a server nothing is
    tested."""
    if shutil.which("redis-server") is None and os.getuid() == 0 and shutil.which("apt-get"):
        for words in ("update -qq", "install -y -qq --no-install-recommends redis-server"):
            subprocess.run(["apt-get", *words.split()], check=False, capture_output=True)
    found = shutil.which("redis-server")
    if found is None:
        raise FileNotFoundError("Redis is not installed: apt-get install redis-server")
    return found


def certificate(directory: Path) -> None:
    """``cert.pem``, which vouches for itself as localhost, and ``key.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(private)


class RedisServer:
    """Started when made; ``stop`` and ``start`` again at will, then with nothing in it."""

    def __init__(self) -> None:
        self._program = program()
        self.directory = Path(tempfile.mkdtemp(prefix="mg-redis-"))
        certificate(self.directory)
        self.port, self.tls_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        while True:
            settings = {
                "bind": "127.0.0.1",
                "port": str(self.port),
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(self.directory / "cert.pem"),
                "tls-key-file": str(self.directory / "key.pem"),
                "tls-auth-clients": "no",
                "requirepass": PASSWORD,
                "save": "",
                "appendonly": "no",
                "dir": str(self.directory),
            }
            command = [self._program] + [word for name, value in settings.items() for word in (f"--{name}", value)]
            with open(self.directory / "log", "ab") as log:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if wait_for(self._state, "Redis") == "up":
                return
            # Somebody else was given the port in between.
            said = (self.directory / "log").read_text()[-2000:]
            assert "bind" in said, said
            self.port, self.tls_port = free_port(), free_port()

    def _state(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            return "ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return ""
        return "up"

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, prefix: str, *, password: str = PASSWORD, more: str = "") -> str:
        return f"redis://:{quote(password, safe='')}@127.0.0.1:{self.port}/0?prefix={quote(prefix)}{more}"

    def tls_url(self, prefix: str, *, host: str = "localhost", ca: str = "") -> str:
        known = f"&ca={quote(ca)}" if ca else ""
        return f"rediss://:{quote(PASSWORD, safe='')}@{host}:{self.tls_port}/0?prefix={quote(prefix)}{known}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests of a process; each takes a prefix of its own."""
    server = RedisServer()
    yield server
    server.close()

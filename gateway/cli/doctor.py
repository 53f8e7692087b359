"""``microgate doctor``: what this installation is and what on this machine is in its way."""

from __future__ import annotations

import os
import platform
import resource
import socket
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.util import find_spec
from typing import Literal, TextIO

import _speedups
import gateway
from gateway.credentials.extras import EXTRAS, installed
from gateway.processes import steering
from gateway.processes.installation import places
from gateway.processes.limits import connection_cap
from gateway.processes.listeners import ListenError, Listeners
from gateway.processes.paths import SHARED_MEMORY, default_data_dir

Grade = Literal["ok", "warn", "bad"]

RUNTIME_BYTES_A_WORKER = 24 << 20
"""Twice (for an upgrade) a 4 MiB ring and 5.4 MB of the arena; its share of two snapshots."""

WAL_SAFE_SQLITE = (3, 51, 3)
"""Earlier ones can corrupt a WAL file when several connections write and checkpoint (3.50.7 and 3.44.6 apart). One
process writes here, so they work; the version is shown because a person's own tools may open the file as well."""

ENOUGH_FILES = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    grade: Grade
    what: str
    detail: str


def report(out: TextIO, data_dir: str, host: str, port: int) -> int:
    """Write one line a finding; returns 1 when something keeps the gateway from serving."""
    findings = list(examine(data_dir, host, port))
    out.writelines(f"{finding.grade:<5} {finding.what:<16} {finding.detail}\n" for finding in findings)
    return int(any(finding.grade == "bad" for finding in findings))


def examine(data_dir: str, host: str, port: int) -> Iterator[Finding]:
    """Everything that is looked at, in the order it is shown. Changes nothing on disk."""
    checks: tuple[Callable[[], Finding], ...] = (
        _version,
        _implementation,
        _packages,
        _event_loop,
        _open_files,
        _trust,
        lambda: _data_dir(data_dir or default_data_dir()),
        _shared_memory,
        _credentials,
        _sqlite,
        _steering,
        _system_calls,
        lambda: _port(host, port),
    )
    for check in checks:
        yield check()


def _version() -> Finding:
    return Finding(
        "ok", "microgate", f"{gateway.__version__}, Python {platform.python_version()}, Linux {platform.release()}"
    )


def _implementation() -> Finding:
    grade: Grade = "ok" if _speedups.IMPLEMENTATION == "compiled" else "warn"
    return Finding(grade, "implementation", f"{_speedups.IMPLEMENTATION}: {_speedups.WHY}")


def _packages() -> Finding:
    homes = places()
    if len(homes) == 1:
        return Finding("ok", "packages", f"gateway, _speedups and providers from {homes[0]}")
    return Finding("bad", "packages", f"gateway, _speedups and providers come from different places: {homes}")


def _event_loop() -> Finding:
    if find_spec("uvloop") is None:
        return Finding("warn", "event loop", "uvloop is not installed: asyncio serves, slower")
    return Finding("ok", "event loop", f"uvloop {import_module('uvloop').__version__}")


def _trust() -> Finding:
    """What verifies providers' certificates, unless ``tls.ca_file`` names something else."""
    context = ssl.create_default_context()
    count = len(context.get_ca_certs())
    where = ssl.get_default_verify_paths()
    if count or (where.capath and os.path.isdir(where.capath) and os.listdir(where.capath)):
        return Finding("ok", "trust", f"{ssl.OPENSSL_VERSION}; {count} authorities from {where.cafile or where.capath}")
    return Finding("warn", "trust", "no certificate authorities: providers over https need tls.ca_file")


def _open_files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"{hard} (hard limit, raised to at start): {connection_cap(hard)} connections a worker"
    return Finding("ok" if hard >= ENOUGH_FILES else "warn", "open files", detail)


def _data_dir(path: str) -> Finding:
    nearest = path
    while not os.path.exists(nearest):
        nearest = os.path.dirname(nearest) or "/"
    if not os.path.isdir(nearest) or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding("bad", "data directory", f"{path}: {nearest} is not a writable directory")
    state = "exists" if nearest == path else "will be created"
    return Finding("ok", "data directory", f"{path} ({state}); {_free(nearest) >> 20} MiB free")


def _shared_memory() -> Finding:
    if not os.path.isdir(SHARED_MEMORY) or not os.access(SHARED_MEMORY, os.W_OK):
        return Finding("warn", "shared memory", f"{SHARED_MEMORY} is missing: the data directory holds arena and rings")
    free = _free(SHARED_MEMORY)
    grade: Grade = "ok" if free >= 4 * RUNTIME_BYTES_A_WORKER else "bad"
    return Finding(grade, "shared memory", f"{free >> 20} MiB free in {SHARED_MEMORY}; a worker takes about 8")


def _free(path: str) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _credentials() -> Finding:
    """Which vendors' own ways of authentication can be configured."""
    there = [extra for extra in EXTRAS.values() if installed(extra)]
    absent = [extra.name for extra in EXTRAS.values() if extra not in there]
    told = [f"{extra.name}: {_version_of(extra.package)}" for extra in there] + [f"{name}: no" for name in absent]
    hint = f" (pip install 'microgate[{','.join(absent)}]')" if absent else ""
    return Finding("ok", "credentials", "; ".join(told) + hint)


def _version_of(package: str) -> str:
    try:
        return f"{package} {package_version(package)}"
    except PackageNotFoundError:
        return package


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    note = "" if sqlite3.sqlite_version_info >= WAL_SAFE_SQLITE else ": keep to one writing process per database"
    return Finding("ok", "SQLite", version + note)


def _steering() -> Finding:
    """Two real sockets and the real program: some sandboxes refuse what the kernel can do."""
    try:
        with socket.socket() as first, socket.socket() as second:
            for sock in (first, second):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            first.bind(("127.0.0.1", 0))
            second.bind(first.getsockname())
            first.listen(1)
            second.listen(1)
            steering.attach(first, [1, 1])
    except OSError as error:
        return Finding("warn", "steering", f"{error}: callers of a dead worker wait for its successor")
    return Finding("ok", "steering", "connections can be steered to live workers")


def _system_calls() -> Finding:
    missing = [name for name in ("eventfd", "posix_fallocate", "sched_getaffinity") if not hasattr(os, name)]
    if missing:
        return Finding("bad", "system calls", f"this Python offers no {', '.join(missing)}")
    return Finding("ok", "processors", f"{len(os.sched_getaffinity(0))} usable")


def _port(host: str, port: int) -> Finding:
    try:
        Listeners(host, port, 1).close()
    except ListenError as error:
        return Finding("bad", "port", str(error))
    return Finding("ok", "port", f"{host}:{port} is free")

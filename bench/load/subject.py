"""What is measured: an address, the process tree behind it, and how each kind of request is put to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import nginx, tree, wrk
from bench.load.process import NotReady, Process, free_port
from bench.load.ready import wait_until_answered
from gateway.loadgen import message

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-123"
LIMITED = "microgate (15 limits)"
"""With ``levels.yaml``."""
CACHED = "microgate (cache, hits)"
"""With ``p8.yaml``, like the next."""
MISSING = "microgate (cache, misses)"

_PLAIN, _SECURE = "127.0.0.1:19001", "localhost:19443"
"""Addresses in bench/*.yaml, replaced by those the run uses."""


@dataclass(slots=True)
class Subject:
    """A server under load. ``kind`` of a request: ``instant``, ``delay``, ``sse``, ``sse-slow`` or ``tls``."""

    name: str
    port: int
    process: Process
    key: str = KEY
    gateway: bool = True
    """It chooses the upstream by model, under one path; otherwise the path chooses."""
    overhead_header: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    """kind -> model, for gateways whose models are not called ``bench-<kind>``."""
    ready_seconds: float = 0.0
    implementation: str = ""
    """``compiled`` or ``pure``, for this gateway; what was asked for need not be what is installed."""

    def path(self, kind: str) -> str:
        """Where a request of this kind goes."""
        place = "instant" if kind == "varied" else kind
        return "/v1/chat/completions" if self.gateway else f"/{place}/v1/chat/completions"

    def body(self, kind: str) -> bytes:
        """850 bytes for everybody."""
        model = self.models.get(kind) or ("bench" if kind in ("instant", "tls", "varied") else f"bench-{kind}")
        body = message.chat_body(model, stream=kind.startswith("sse"))
        # Another question every time: see bench/load/wrk.py.
        return body.replace(b"Summarise t", wrk.VARIED) if kind == "varied" else body

    def snapshot(self, *, memory: bool = False) -> tree.Snapshot:
        """Its process tree now."""
        return tree.snapshot(self.process.pid, memory=memory)

    def role(self, member: tree.Member) -> str:
        """``supervisor``, ``worker``, ``control``, ``cache``, ``demo``, ``other``: by how a process calls itself."""
        if member.pid == self.process.pid:
            return "supervisor"
        if member.command.startswith("nginx: worker"):
            return "worker"
        found = (role for role in ("worker", "control", "cache", "demo") if role in member.name)
        return next(found, "other")

    def roles(self, snapshot: tree.Snapshot) -> dict[int, str]:
        """pid -> role of everybody in a snapshot."""
        return {pid: self.role(member) for pid, member in snapshot.members.items()}

    def stop(self) -> None:
        """End it."""
        self.process.stop()


def direct(upstream: nginx.Upstream) -> Subject:
    """The upstream itself, without anything in front."""
    return Subject("direct", upstream.port, upstream.process, gateway=False)


def floor(directory: Path, upstream: nginx.Upstream, *, workers: int = 1) -> Subject:
    """nginx ``proxy_pass``."""
    port = free_port()
    return Subject("nginx", port, nginx.start_floor(directory, port, upstream, workers=workers), gateway=False)


def render_config(
    name: str, directory: Path, upstream: nginx.Upstream, addresses: Mapping[str, str] | None = None
) -> Path:
    """A configuration of ``bench/`` with the addresses of this run: the upstream's, and ``addresses`` by those that
    the file names."""
    text = (ROOT / "bench" / name).read_text()
    for named, used in (addresses or {}).items():
        text = text.replace(named, used)
    text = text.replace(_PLAIN, f"127.0.0.1:{upstream.port}").replace(_SECURE, f"localhost:{upstream.tls_port}")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text)
    return path


def _implementation(python: str, env: Mapping[str, str]) -> str:
    """What ``python`` would run: ``compiled``, ``pure``, or why neither can be told."""
    command = [python, "-P", "-c", "import _speedups; print(_speedups.IMPLEMENTATION)"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()[-300:]


def microgate(
    directory: Path,
    upstream: nginx.Upstream,
    *,
    pure: bool = False,
    workers: int = 1,
    config: str = "p1.yaml",
    python: str = sys.executable,
    tree_root: Path | None = ROOT,
    name: str = "",
    under: tuple[str, ...] = (),
    patience: float = 60,
    addresses: Mapping[str, str] | None = None,
) -> Subject:
    """This gateway, started as a user starts it, answering when this returns.

    ``python`` and ``tree_root`` (None: what that interpreter has installed) choose another build; ``under`` is a
    command that runs it, ``patience`` the seconds it may take to answer. Raises NotReady.
    """
    data = directory / "data"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MICROGATE_", "PYTHONPATH"))}
    env["MICROGATE_BENCH_CA"] = str(upstream.ca)
    if pure:
        env["MICROGATE_PURE"] = "1"
    if tree_root is not None:
        env["PYTHONPATH"] = str(tree_root)
    port = free_port()
    label = name or ("microgate (pure)" if pure else "microgate")
    implementation = _implementation(python, env)
    if implementation != ("pure" if pure else "compiled"):
        raise NotReady(
            f"{label}: this build is {implementation}; run MICROGATE_BUILD=require python setup.py build_ext"
        )
    rendered = render_config(config, directory, upstream, addresses)
    command = [python, "-P", "-m", "gateway", "serve", "--config", str(rendered)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--data-dir", str(data)]
    process = Process(label, [*under, *command, "--log-level", "warning"], directory, env)
    subject = Subject(label, port, process, overhead_header="x-microgate-overhead-us", implementation=implementation)
    subject.ready_seconds = wait_until_answered(
        process, port, subject.path("instant"), subject.body("instant"), KEY, timeout=patience
    )
    with process.stopped_on_failure():
        roles = subject.roles(subject.snapshot())
        if "worker" not in roles.values():
            # Without it the figures of supervisor and worker would silently lack the worker.
            raise NotReady(f"{label}: no process calls itself a worker, so CPU and memory cannot be told apart by role")
    return subject

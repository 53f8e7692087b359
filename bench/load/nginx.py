"""nginx as the upstream and as the floor: templates of ``bench/nginx`` filled in, started, stopped."""

from __future__ import annotations

import resource
import shutil
import string
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import answer
from bench.load import certificates
from bench.load.process import Process, wait_for_port

_TEMPLATES = Path(__file__).resolve().parent.parent / "nginx"
_ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")


def available() -> bool:
    """Whether nginx and its echo module are installed (Debian: nginx-light libnginx-mod-http-echo)."""
    return shutil.which("nginx") is not None and _ECHO.exists()


def _connections() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64


def _fill(template: str, directory: Path, **values: object) -> Path:
    text = string.Template((_TEMPLATES / template).read_text())
    path = directory / template
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    path.write_text(text.substitute(values, directory=directory, files=files, connections=_connections()))
    return path


def _echo_locations() -> str:
    """The delayed answer and the two streams, written out for the echo module."""
    lines = [
        "        location /delay/ {",
        f"            echo_sleep {answer.DELAY};",
        "            echo_exec @answer;",
        "        }",
    ]
    streams = (("/sse/", answer.PACE, answer.events()), ("/sse-slow/", answer.HELD_PACE, answer.held_events()))
    for path, pace, events in streams:
        lines += [f"        location {path} {{", "            default_type text/event-stream;"]
        for i, event in enumerate(events):
            if i:
                lines.append(f"            echo_sleep {pace};")
            text = event.decode().replace("\n", "\\n")
            lines += [f"            echo -n '{text}';", "            echo_flush;"]
        lines.append("        }")
    return "\n".join(lines)


@dataclass(slots=True)
class Upstream:
    """A running upstream."""

    process: Process
    port: int
    tls_port: int
    ca: Path


def start(template: str, directory: Path, port: int, tls_port: int = 0, **values: str) -> Upstream:
    """nginx by a template of ``bench/nginx``, which ``values`` fill in. Raises NotReady."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    ca = certificates.write(directory)
    config = _fill(
        template,
        directory,
        modules=f"load_module {_ECHO};" if _ECHO.exists() else "",
        port=port,
        tls_port=tls_port,
        headers="\n".join(f"        add_header {name} '{value}' always;" for name, value in answer.HEADERS),
        **values,
    )
    process = Process("nginx upstream", ["nginx", "-p", str(directory), "-c", str(config)], directory)
    wait_for_port(port, process)
    return Upstream(process, port, tls_port, ca)


def start_upstream(directory: Path, port: int, tls_port: int) -> Upstream:
    """nginx on two ports: ``/instant/...``, ``/translated/...``, ``/delay/...``,
    ``/sse/...`` (50 events a second), ``/sse-slow/`` (1)."""
    answers = {"answer": answer.chat().decode(), "message": answer.message().decode()}
    echo = _echo_locations() if _ECHO.exists() else ""
    return start("upstream.conf", directory, port, tls_port, echo=echo, **answers)


def start_substitute(directory: Path, port: int, tls_port: int) -> Upstream:
    """``bench/upstream.py`` on the same paths, where nginx is not installed."""
    directory.mkdir(parents=True, exist_ok=True)
    ca = certificates.write(directory)
    command = [sys.executable, "-m", "bench.upstream", "--port", str(port), "--tls-port", str(tls_port)]
    process = Process("bench upstream", [*command, "--certificates", str(directory)], directory)
    wait_for_port(port, process)
    return Upstream(process, port, tls_port, ca)


def start_floor(directory: Path, port: int, upstream: Upstream, *, workers: int = 1) -> Process:
    """nginx as a proxy in front of the upstream; same paths, and ``/tls/...`` for the TLS upstream."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    config = _fill(
        "floor.conf",
        directory,
        port=port,
        upstream_port=upstream.port,
        upstream_tls_port=upstream.tls_port,
        workers=workers,
        reuseport="reuseport" if workers > 1 else "",
        keepalive=_connections() // 2,
        ca=upstream.ca,
    )
    process = Process("nginx", ["nginx", "-p", str(directory), "-c", str(config)], directory)
    wait_for_port(port, process)
    return process

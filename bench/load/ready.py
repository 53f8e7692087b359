"""From the start of a process to its first answered request (P6)."""

from __future__ import annotations

import socket
import time

from bench.load.process import NotReady, Process
from gateway.loadgen import message

POLL = 0.002
"""Seconds between two attempts: the resolution of the figure."""


def _ask(port: int, request: bytes, timeout: float) -> int:
    """Status of one answer, 0 when there was none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request)
            head = connection.recv(4096)
    except OSError:
        return 0
    return int(head[9:12]) if head.startswith(b"HTTP/1.") and head[9:12].isdigit() else 0


def wait_until_answered(
    process: Process, port: int, path: str, body: bytes, key: str, *, timeout: float = 60, expected: int = 200
) -> float:
    """Seconds from the start of the process until a request got the expected status. Raises NotReady."""
    request = message.request(f"127.0.0.1:{port}", path, key, body)
    end = process.started + timeout
    status = 0
    with process.stopped_on_failure():
        while time.monotonic() < end and process.alive:
            status = _ask(port, request, max(0.5, end - time.monotonic()))
            if status == expected:
                return time.monotonic() - process.started
            time.sleep(POLL)
        raise NotReady(f"{process.name} did not answer (last status {status})\n{process.log_end()}")

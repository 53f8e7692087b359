"""Full rounds of the process tests against the real gateway with its demo provider, by hand:

    python -m tests.processes.rounds kill 50
    python -m tests.processes.rounds freeze 5

Prints what was measured. The suite has short forms of the same with deadlines that any machine meets.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.processes.harness import Gateway, ask, until

CALLERS = 16
PAUSE_S = 0.03

BODY = json.dumps({"model": "demo/echo", "messages": [{"role": "user", "content": "Hello"}]}).encode()


class Callers:
    """Callers with a keep-alive connection each, in a closed loop with a pause; when each failed request had begun."""

    def __init__(self, port: int, key: str) -> None:
        self.head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
        ).encode()
        self.port = port
        self.answered = 0
        self.wrong: list[bytes] = []
        self.failed: list[tuple[float, float, int, str]] = []
        """Began, ended, requests answered before on the same connection, why."""
        self.slowest = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        while not self._stop.is_set():
            asked = 0
            began = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
                    while not self._stop.is_set():
                        began = time.monotonic()
                        sock.sendall(self.head + BODY)
                        status = self._answer(sock)
                        asked += 1
                        with self._lock:
                            self.slowest = max(self.slowest, time.monotonic() - began)
                            if status == b"200":
                                self.answered += 1
                            else:
                                self.wrong.append(status)
                        time.sleep(PAUSE_S)
            except OSError as error:
                with self._lock:
                    self.failed.append((began, time.monotonic(), asked, repr(error)))

    def _answer(self, sock: socket.socket) -> bytes:
        data = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                raise ConnectionResetError
            data += piece
            head, end, body = data.partition(b"\r\n\r\n")
            if end:
                found = re.search(rb"content-length: (\d+)", head)
                if found and len(body) >= int(found[1]):
                    return head[9:12]

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def logged(gateway: Gateway) -> int:
    """Chat requests that control has counted."""
    with gateway.connect() as sock:
        text = ask(sock, "/metrics")
    return int(
        sum(float(value) for value in re.findall(r"^microgate_requests_total\{[^}]*\} (\S+)", text, re.MULTILINE))
    )


def kill(gateway: Gateway, rounds: int, number: int = signal.SIGKILL) -> None:
    key = re.search(r"mg-demo-[0-9a-f]+", gateway.out)
    assert key
    callers = Callers(gateway.port, key[0])
    began = time.monotonic()
    back: list[float] = []
    late_failures = 0
    worst = idle = 0
    time.sleep(2)
    for number_of_round in range(rounds):
        victim = number_of_round % 2
        pid = gateway.worker(victim)
        before = len(callers.failed)
        killed = time.monotonic()
        os.kill(pid, number)
        until(lambda v=victim, p=pid: gateway.replaced(v, p), "a successor runs")
        while True:
            # The successor accepts when it answers one of a few fresh connections.
            with gateway.connect() as sock:
                if f'"worker":{victim},' in ask(sock, "/readyz") and '"ready"' in ask(sock, "/readyz"):
                    break
        back.append(time.monotonic() - killed)
        time.sleep(1.2)
        failures = callers.failed[before:]
        worst = max(worst, len(failures))
        # A kept connection that died while it was idle fails at its next use: any client asks again on a fresh one.
        late_failures += sum(started > killed and not asked for started, _, asked, _ in failures)
        idle += sum(started > killed and asked > 0 for started, _, asked, _ in failures)
        for started, ended, asked, why in failures:
            if not asked:
                print(f"fresh connection: began {started - killed:+.4f}, ended {ended - killed:+.4f}: {why}")
    callers.stop()
    seconds = time.monotonic() - began
    time.sleep(3)
    rate = callers.answered / seconds
    print(f"{rounds} rounds, {rate:.0f} requests/s from {CALLERS} callers, {callers.answered} answered")
    print(f"failed {len(callers.failed)}, at most {worst} in a round; of these on idle kept connections {idle}")
    print(f"failed on fresh connections made after the kill: {late_failures}")
    print(f"other statuses {len(callers.wrong)}, slowest answer {callers.slowest:.2f} s")
    print(f"successor answers after median {statistics.median(back):.2f} s, worst {max(back):.2f} s")
    print(f"counted by control {logged(gateway)} for {callers.answered} answered + {len(callers.failed)} failed")


def main(what: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        gateway = Gateway(Path(directory))
        gateway.entries = {}
        gateway.options = {"demo": True, "log_level": "info"}
        try:
            gateway.start(workers=2)
            time.sleep(4)
            kill(gateway, rounds, {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[what])
        finally:
            gateway.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

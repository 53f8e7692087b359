"""Full rounds of the process tests against the real gateway with its demo provider, by hand:

    python -m tests.processes.rounds kill 50
    python -m tests.processes.rounds freeze 5
    python -m tests.processes.rounds reload 60    (a changed file and SIGHUP, then ten seconds)
    python -m tests.processes.rounds loop 1       (a worker that dies at its start, for two minutes)
    python -m tests.processes.rounds slow 1       (attacks of slowhttptest, which must be installed)

Prints what was measured. The suite has short forms of the same with deadlines that any machine meets.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.processes.harness import ROOT, Gateway, ask
from tests.waiting import wait_for

CALLERS = 16
PAUSE_S = 0.03
RATE = 1000
"""Requests a second that `microgate bench` offers: below half of what two processors serve beside it."""

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
        wait_for(lambda v=victim, p=pid: gateway.replaced(v, p), "a successor runs")
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


def bench(gateway: Gateway, seconds: float) -> subprocess.Popen[str]:
    """A fixed rate of requests from a process of its own."""
    found = re.search(r"mg-demo-[0-9a-f]+", gateway.out)
    assert found
    url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
    command = [sys.executable, "-m", "gateway", "bench", url, "--key", found[0], "--rate", str(RATE), "--json"]
    return subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def report(name: str, load: subprocess.Popen[str]) -> None:
    out, _ = load.communicate()
    found = json.loads(out)
    answered = {key: found[key] for key in ("void", "sent", "completed", "failed", "failures", "statuses")}
    print(f"{name}: {answered}")
    print(f"  us after the write: {found['service_us']}", flush=True)


def reload(gateway: Gateway, rounds: int) -> None:
    load = bench(gateway, rounds * 10)
    for number in range(rounds):
        time.sleep(10)
        change(gateway.data_dir.parent, number + 1)
        gateway.signal(signal.SIGHUP)
    report(f"{rounds} reloads", load)
    with gateway.connect() as sock:
        print(*re.findall(r"^microgate_config_reloads_total.*", ask(sock, "/metrics"), re.MULTILINE), sep="\n")


def change(directory: Path, number: int) -> Path:
    """Write the configuration anew: a key comes or goes, a limit is another."""
    keys = [
        {"name": f"k{i}", "value": f"sk-round-{i:032d}", "limits": [{"requests": 5 + number, "per": "60s"}]}
        for i in range(1 + number % 3)
    ]
    file = directory / "config.json"
    file.with_suffix(".new").write_text(json.dumps({"virtual_keys": keys}))
    return file.with_suffix(".new").rename(file)


def slow(gateway: Gateway, rounds: int) -> None:
    """The same load alone, then beside 1,000 connections of each kind of slow sender and reader."""
    attacks = {
        "slow heads": ["-H", "-i", "2"],
        "slow bodies": ["-B", "-i", "2", "-t", "POST", "-f", "application/json"],
        "slow readers": ["-X", "-k", "50"],
    }
    for _ in range(rounds):
        report("alone", bench(gateway, 20))
        for name, options in attacks.items():
            url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
            with tempfile.TemporaryFile() as said:
                attack = subprocess.Popen(
                    ["slowhttptest", *options, "-c", "1000", "-r", "200", "-l", "60", "-u", url],
                    stdout=said,
                    stderr=said,
                )
                time.sleep(5)
                report(f"beside {name}", bench(gateway, 50))
                attack.wait()
                said.seek(0)
                text = re.sub(r"\x1b\[[0-9;]*m", "", said.read().decode(errors="replace"))
            # The last of the pages that it prints every five seconds.
            lines = re.findall(
                r"^(?:slow HTTP test status|initializing|pending|connected|error|closed|service).*", text, re.MULTILINE
            )
            print(*(f"  {line}" for line in lines[-7:]), sep="\n", flush=True)


def loop(gateway: Gateway, rounds: int) -> None:
    """Worker 1 is killed whenever it is seen; the other serves."""
    for _ in range(rounds):
        load = bench(gateway, 120)
        until_s = time.monotonic() + 120
        ready = 0
        asked = 0
        while time.monotonic() < until_s:
            pid = gateway.children().get("worker-1")
            if pid:
                os.kill(pid, signal.SIGKILL)
            try:
                with gateway.connect() as sock:
                    asked += 1
                    ready += '"status":"ready"' in ask(sock, "/readyz")
            except OSError:
                pass
            time.sleep(0.05)
        pauses = re.findall(r"worker 1 was killed by SIGKILL; next start in ([\d.]+) s", gateway.err)
        print("pauses before the next start:", *pauses)
        print(f"/readyz was green {ready} of {asked} times")
        report("load", load)


def main(what: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        gateway = Gateway(Path(directory))
        gateway.entries = {}
        gateway.options = {"demo": True, "log_level": "info", "config_file": str(change(Path(directory), 0))}
        try:
            gateway.start(workers=2)
            time.sleep(4)
            if what in ("kill", "freeze"):
                kill(gateway, rounds, {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[what])
            else:
                {"reload": reload, "slow": slow, "loop": loop}[what](gateway, rounds)
        finally:
            gateway.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

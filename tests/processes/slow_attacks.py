"""Attacks of slowhttptest, which must be installed, on the real gateway with its demo provider, by hand:

    python -m tests.processes.slow_attacks 1

Prints what was measured beside the same load alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.processes.harness import ROOT, Gateway

RATE = 1000
"""Requests a second that `microgate bench` offers: below half of what two processors serve beside it."""


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


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        gateway = Gateway(Path(directory))
        gateway.entries = {}
        gateway.options = {"demo": True, "log_level": "info"}
        try:
            gateway.start(workers=2)
            time.sleep(4)
            slow(gateway, rounds)
        finally:
            gateway.destroy()


if __name__ == "__main__":
    main(int(sys.argv[1]))

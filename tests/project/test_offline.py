"""Nothing is fetched at start: the gateway serves in a network namespace that has no route anywhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ["unshare", "--map-root-user", "--net"]

# All of it happens inside the namespace, whose loopback interface is there but down.
START_ASK_STOP = """
import fcntl, http.client, json, re, signal, socket, struct, subprocess, sys, time
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", IFF_UP, b""))
begin = time.monotonic()
command = [sys.executable, "-m", "gateway", "serve", "--demo", "--port", "8080", "--data-dir", sys.argv[1]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    try:
        key = next(found[1] for line in process.stdout if (found := re.search(r"Demo key.*: (\\S+)$", line)))
        body = {"model": "demo/echo", "messages": [{"role": "user", "content": "alone"}]}
        headers = {"authorization": "Bearer " + key, "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse().read().decode()
        seconds = time.monotonic() - begin
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
print(json.dumps({"answer": answer, "seconds": seconds, "code": process.returncode}))
"""


def may_make_a_namespace() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0


@pytest.mark.skipif(not may_make_a_namespace(), reason="this machine does not let us make a network namespace")
def test_it_starts_and_answers_without_a_network(tmp_path: Path) -> None:
    command = [*NAMESPACE, sys.executable, "-c", START_ASK_STOP, str(tmp_path / "data")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout)
    print(f"first answer after {outcome['seconds']:.2f} s")
    assert json.loads(outcome["answer"])["choices"][0]["message"]["content"] == "alone"
    assert outcome["code"] == 0

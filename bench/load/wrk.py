"""wrk, the closed loop: a number of callers, each waiting for its answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.load import placement
from gateway.loadgen import message

GRACE = 60.0
"""Seconds beyond its own length after which wrk has hung."""

# Requests are built once by wrk itself (no request() function), so the script costs nothing while it runs.
_SCRIPT = """wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
{varied}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nJSON {{"requests":%d,"duration_us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"status":%d,"timeout":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,"mean_us":%.1f}}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    latency.max, latency.mean))
end
"""


def available() -> bool:
    """Whether wrk is installed (Debian package ``wrk``)."""
    return shutil.which("wrk") is not None


# What follows VARIED in the body is another number in every request: 9 digits, so that all have one length.
VARIED = b"@0000000000"
_VARIED = """local before, after = wrk.body:match("^(.*@)0000000000(.*)$")
local n = {first}
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, before .. string.format("%010d", n) .. after)
end
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk saw. Microseconds."""

    requests: int
    seconds: float
    failures: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    mean_us: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


def run(
    directory: Path,
    port: int,
    path: str,
    body: bytes,
    *,
    key: str,
    connections: int,
    seconds: float,
    apart: bool = False,
    urgent: bool = False,
) -> Run:
    """POST ``body`` with 17 headers from ``connections`` callers, ``apart`` from what is measured (and ``urgent``).

    Raises RuntimeError when wrk fails, TimeoutExpired when it hangs."""
    lines = [
        f'wrk.headers["{name}"] = "{value}"'
        for name, value in message.headers(f"127.0.0.1:{port}", key, len(body))
        if name not in ("Host", "Content-Length")  # wrk adds these two itself
    ]
    script = directory / "wrk.lua"
    varied = _VARIED.replace("{first}", str(time.time_ns() // 1000 % 10**9)) if VARIED in body else ""
    script.write_text(_SCRIPT.format(body=body.decode(), headers="\n".join(lines), varied=varied))
    # wrk takes whole seconds or ms-free units only
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    command += ["-s", str(script), f"http://127.0.0.1:{port}{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        if apart:
            placement.outside(child.pid, urgent=urgent)
        try:
            out, err = child.communicate(timeout=seconds + GRACE)
        except BaseException:
            child.kill()
            raise
    found = re.search(r"^JSON (\{.*\})$", out, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk: {out[-500:]}{err[-500:]}")
    seen = json.loads(found[1])
    return Run(
        requests=seen["requests"],
        seconds=seen["duration_us"] / 1e6,
        failures=sum(seen[name] for name in ("connect", "read", "write", "status", "timeout")),
        p50_us=seen["p50_us"], p90_us=seen["p90_us"], p99_us=seen["p99_us"], p999_us=seen["p999_us"],
        mean_us=seen["mean_us"],
    )  # fmt: skip

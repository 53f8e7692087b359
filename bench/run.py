"""``python -m bench.run CASE...``: run load cases and write bench/results/<case>.json; ``all`` runs every case.

``python -m bench.run reliability [ID...]`` measures figures of reliability instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import affinity, cache_quality
from bench.load import article, closed, held, nginx, opened, placement, result, start
from bench.load.session import Options
from bench.observe import dashboard
from bench.reliability import run as reliability

CASES: Mapping[str, Callable[[Options], None]] = {
    "p1": closed.p1,
    "p2": opened.p2,
    "p3": closed.p3,
    "p4": held.p4,
    "p5": opened.p5,
    "p6": start.p6,
    "p7": start.p7,
    "p8": closed.p8,
    "p9": closed.p9,
    "p11": closed.p11,
    "p12": closed.p12,
    "affinity": affinity.affinity,
    "quality": cache_quality.quality,
    "article": article.article,
    "observe": dashboard.observe,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", default=[],
                        help=f"{', '.join(CASES)}, all, micro (pytest-benchmark), upstream (until ^C), "
                             "reliability [ID...]")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="interleaved rounds (4)")
    parser.add_argument("--seconds", type=float, help="seconds of one round (4; p4, article: own lengths)")
    parser.add_argument("--connections", type=int, default=32, help="callers of closed-loop cases (32)")
    parser.add_argument("--rate", type=float, default=5000.0, help="requests a second of open-loop cases (5000)")
    parser.add_argument("--settle", type=float, default=60.0, help="rest before memory is read again (60)")
    parser.add_argument("--peers", type=Path, help="where LiteLLM is installed (build/peers/litellm)")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that everything works")
    return parser


def _serve_upstream() -> None:
    """The upstream on the ports that bench/*.yaml name, for use by hand."""
    directory = Path("/tmp/microgate-bench-upstream")  # fixed on purpose: its CA is named in the text below
    upstream = nginx.start_upstream(directory, 19001, 19443)
    print(f"http://127.0.0.1:19001, https://localhost:19443, MICROGATE_BENCH_CA={upstream.ca}")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    upstream.process.stop()


MICRO_SECONDS = 600.0
"""A run takes a minute."""


def _micro(quick: bool) -> int:
    """Run pytest-benchmark and keep of its report what is shown: names, figures, what a figure is for."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "micro.json"
        command = [sys.executable, "-m", "pytest", "bench/micro", "-q", f"--benchmark-json={target}"]
        command += [f"--benchmark-max-time={0.2 if quick else 0.5}", "--benchmark-disable-gc"]
        done = subprocess.run(command, cwd=result.ROOT, timeout=MICRO_SECONDS, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            sys.stderr.buffer.write(done.stdout[-3000:])
            return done.returncode
        report = json.loads(target.read_bytes())
    kept = ("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations")
    benchmarks = [
        {
            "name": bench["name"],
            "stats": {name: bench["stats"][name] for name in kept},
            "extra_info": bench["extra_info"],
        }
        for bench in report["benchmarks"]
    ]
    print(f"  {len(benchmarks)} benchmarks")
    method = (
        "pytest-benchmark, one process; medians. Called from C: a loop in C around the function, divided by its turns. "
        "Speeds are bytes of the document by the median. What has one column only has no twin."
    )
    result.write("micro", "Calls within one process", method, {"benchmarks": benchmarks}, quick=quick)
    return 0


def main() -> int:
    """Run what the command line asks for; 0 when every case ran."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.cases[:1] == [reliability.CASE]:
        try:
            return 1 if reliability.run(arguments.cases[1:], quick=arguments.quick) else 0
        except ValueError as unknown:
            parser.error(str(unknown))
    known = (*CASES, "all", "micro", "upstream")
    if unknown := [case for case in arguments.cases if case not in known]:
        parser.error(f"no such case: {', '.join(unknown)}")
    quick = arguments.quick
    options = Options(
        rounds=arguments.rounds or (2 if quick else 4),
        seconds=arguments.seconds or (2.0 if quick else 4.0),
        quick=quick,
        connections=arguments.connections,
        rate=arguments.rate,
        settle=arguments.settle,
        peers=arguments.peers,
    )
    placement.ahead()
    failed = 0
    cases = arguments.cases
    if not cases or "all" in cases:
        # Its log alone takes ten minutes to write.
        cases = [*(case for case in CASES if case != "observe"), "micro"]
        for name, lacking in (("affinity", affinity.lacking), ("quality", cache_quality.lacking)):
            if why := lacking():
                print(f"{name} is left out: {why}", flush=True)
                cases.remove(name)
    for case in cases:
        if case == "upstream":
            _serve_upstream()
            continue
        print(f"{case}:", flush=True)
        begun = time.monotonic()
        try:
            if case == "micro":
                failed += bool(_micro(quick))
            else:
                CASES[case](options)
        except Exception as fault:  # one case must not keep the others from running
            failed += 1
            print(f"  {case} failed: {type(fault).__name__}: {fault}", file=sys.stderr)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Whether one build is slower than another: ``python -m bench.compare BASE HEAD``.

BASE and HEAD are Python interpreters of two environments with microgate installed, or checkouts that were built in
place. Both run at once, rounds are interleaved. "Not slower" means: the bootstrap 95 % interval of the CPU ratio HEAD /
BASE reaches down to 1.0, or its upper end is at most 1.05. At least 12 rounds are needed for that to mean anything.
With ``--instructions`` those of a request are counted under valgrind in both, with ``--callgrind SCRIPT`` those of a
script; they may differ by 2 % at most.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.instructions import a_request
from bench.load import result, statistics, subject
from bench.load.process import NotReady
from bench.load.session import Options, Session
from bench.load.subject import Subject

MIN_ROUNDS = 12
MOST = 1.05
"""Upper end of the interval that still counts as equal: what two runs of one build differ by on a shared machine."""

MOST_INSTRUCTIONS = 1.02


@dataclass(frozen=True, slots=True)
class Build:
    """One of the two."""

    name: str
    python: str
    root: Path | None
    """Checkout, or None for what the interpreter has installed."""

    @classmethod
    def of(cls, name: str, where: Path) -> Build:
        """Raises ValueError when ``where`` is neither an interpreter, an environment nor a checkout."""
        if where.is_file():
            return cls(name, str(where.absolute()), None)
        if (where / "bin/python").exists():
            return cls(name, str((where / "bin/python").absolute()), None)
        if (where / "gateway/__main__.py").exists():
            return cls(name, sys.executable, where.resolve())
        raise ValueError(f"{where} is neither a Python interpreter, an environment nor a checkout")


def verdict(ratios: list[float]) -> tuple[bool, dict[str, object]]:
    """Whether HEAD is not slower, and the figures that say so."""
    low, high = statistics.interval(ratios)
    return low <= 1.0 or high <= MOST, statistics.summary(ratios, 4)


def _measure(
    session: Session, builds: tuple[Build, Build], configs: dict[str, str], kind: str
) -> dict[str, list[dict[str, Any]]]:
    options = session.options
    subjects: list[Subject] = []
    for build in builds:
        made = session.start(
            build.name,
            lambda place, build=build: subject.microgate(  # type: ignore[misc]  # the default binds the loop's variable
                place,
                session.upstream,
                python=build.python,
                tree_root=build.root,
                name=build.name,
                config=configs[build.name],
            ),
        )
        if made is None:
            raise NotReady(session.missing[build.name])
        subjects.append(made)
    for one in subjects:
        session.closed(one, kind, options.connections, 2)
    rows: dict[str, list[dict[str, Any]]] = {one.name: [] for one in subjects}
    for number, one in session.each_round(subjects):
        row = session.closed(one, kind, options.connections, options.seconds)
        rows[one.name].append(row)
        print(f"  round {number + 1} {one.name:<6} {row['cpu_us']:.2f} us/request {row['per_second']} /s", flush=True)
    return rows


def instructions(build: Build, script: Path) -> int:
    """Instructions valgrind counts while ``script`` runs in a build. Raises RuntimeError without a count."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}
    if build.root is not None:
        env["PYTHONPATH"] = str(build.root)
    with tempfile.TemporaryDirectory() as place:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={place}/out", build.python, str(script)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"valgrind: {done.stderr[-1000:]}")
    return int(found[1])


def main() -> int:
    """0: not slower, 1: slower, 2: could not be measured, or with too few rounds."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("head", type=Path)
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--head-config", metavar="FILE", help="of bench/, for HEAD alone: what a configuration costs")
    parser.add_argument("--tls", action="store_true", help="with a TLS upstream")
    parser.add_argument("--instructions", action="store_true", help="count a request's instructions in both builds")
    parser.add_argument("--callgrind", action="append", default=[], metavar="SCRIPT", type=Path,
                        help="count a script's instructions in both builds as well")  # fmt: skip
    chosen = parser.parse_args()
    try:
        builds = (Build.of("base", chosen.base), Build.of("head", chosen.head))
        options = Options(rounds=chosen.rounds, seconds=chosen.seconds, connections=chosen.connections)
        counted: dict[str, list[float]] = {}
        with Session(options) as session:
            config, kind = ("p12.yaml", "tls") if chosen.tls else ("p1.yaml", "instant")
            configs = {"base": config, "head": chosen.head_config or config}
            rows = _measure(session, builds, configs, kind) if chosen.rounds else {"base": [], "head": []}
            if chosen.instructions:
                counted["a request"] = [
                    a_request(session, b.name, b.python, b.root, config=configs[b.name]) for b in builds
                ]
        counted |= {str(script): [instructions(build, script) for build in builds] for script in chosen.callgrind}
    except (NotReady, RuntimeError, ValueError) as fault:
        print(fault, file=sys.stderr)
        return 2
    ratios = [head["cpu_us"] / base["cpu_us"] for base, head in zip(rows["base"], rows["head"], strict=True)]
    good, figures = verdict(ratios) if ratios else (True, {})
    if ratios:
        print(f"CPU head / base: {figures['median']} ({figures['low']} to {figures['high']}), {len(ratios)} rounds")
    for script, (base, head) in counted.items():
        print(f"instructions of {script}: {base:.0f} -> {head:.0f}, {head / base:.4f}")
        good = good and head / base <= MOST_INSTRUCTIONS
    document: dict[str, Any] = {"builds": [str(chosen.base), str(chosen.head)], "cpu_ratio": figures, "rounds": rows}
    enough = len(ratios) >= MIN_ROUNDS
    document |= {"instructions": counted, "not_slower": good if enough else None}
    result.write("compare", "Two builds", __doc__ or "", document, quick=True)
    if not enough:
        print(f"no verdict: {MIN_ROUNDS} rounds are needed")
        return 2
    print("not slower" if good else "SLOWER")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""Processes: 45 minutes of everything at once; and B18, configuration that changes under load."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.reliability.figures import Outcome, figure
from bench.reliability.slope import Slope
from bench.reliability.soak import arrivals, mix
from bench.reliability.soak.course import LONG, RATE, Course, Seen, Soak, world
from bench.reliability.soak.watch import Watch

MOST_FAILED = 1e-5
"""Share of calls."""

MOST_GROWTH = 1.0
"""Percent an hour."""

MOST_SHOWN = 5

LASTING = ("worker-1", "control", "supervisor")


@figure("E10", guard="tests/processes/test_memory.py")
def soak(quick: bool) -> Outcome:
    """Traffic as two services saw it in four hours, 2,000 calls a second on average, and everything that goes wrong."""
    course = Course(110, 10, 40, settled_after=20) if quick else Course(LONG, 10, 150)
    with world() as of:
        run = Soak(of, course, another)
        run.run()
    seen = run.seen
    base = arrivals.once(arrivals.directory(), RATE)
    values = {
        "seconds": round(seen.took),
        "calls": seen.last["sent"],
        "calls a second": round(seen.last["sent"] / seen.took),
        "in the fullest second": round(arrivals.peak(base, 1)),
        "in the fullest tenth of one": round(arrivals.peak(base, 0.1) / 10),
        "capacity, chat requests a second": round(seen.capacity),
        **_outcomes(seen),
        "kills of a worker": len(seen.kills),
        "versions of the configuration": seen.versions,
        **_growth(run.watch, seen, course),
        "cores taken": ", ".join(f"{name} {share:.2f}" for name, share in seen.shares.items()),
    }
    flat = quick or _flat(run.watch, seen, course)
    return Outcome(values, _kept(seen) and flat, _note(seen))


@figure("B18", guard="tests/live/test_processes.py")
def reloads(quick: bool) -> Outcome:
    """The same traffic; each change is one of providers in use, whose connections and limits are then others."""
    course = Course(30, 3, 0) if quick else Course(300, 10, 0)
    with world() as of:
        run = Soak(of, course, another)
        run.run()
    seen = run.seen
    values = {
        "seconds": round(seen.took),
        "calls": seen.last["sent"],
        "versions published": seen.versions,
        **_outcomes(seen),
    }
    kept = _kept(seen) and seen.versions >= seen.reloads > 0
    return Outcome(values, kept, _note(seen))


def another(config: dict[str, Any], number: int) -> None:
    """A change to keys and, in turn, to providers that are in use: their time-outs, their keys, their addresses."""
    keys = [key for key in config["virtual_keys"] if key["name"] == "bench"]
    limits = [{"requests": 5 + number % 7, "per": "60s"}]
    more = [{"name": f"k{i}", "value": f"sk-round-{i:032d}", "limits": limits} for i in range(1 + number % 3)]
    config["virtual_keys"] = keys + more
    providers = config["providers"]
    for name in ("chat", "sse-8", "sse-64", "claude-sse", "slow", "faulty"):
        providers[name].setdefault("timeouts", {})["total"] = f"{300 + number}s"
    providers["chat"]["keys"][1]["value"] = f"sk-upstream-2-{number}"
    for name in ("embed", "claude"):
        url = providers[name]["base_url"]
        hosts = ("127.0.0.1", "localhost")
        providers[name]["base_url"] = url.replace(hosts[number % 2], hosts[1 - number % 2])


def _outcomes(seen: Seen) -> dict[str, object]:
    killed, refused, others = seen.promised()
    reasons = Counter(failure["failed"] for failure in others)
    return {
        "answered as they should be": seen.count(mix.GOOD),
        "left by the caller": seen.count(mix.LEFT),
        "failed, as promised for a fault without a fallback": seen.count(mix.FAILED_AS_PROMISED),
        "failed in a worker when it was killed": len(killed),
        "refused when there was too much": len(refused),
        "failed otherwise": len(others),
        **{f"of these: {why}": count for why, count in reasons.most_common(MOST_SHOWN)},
        "answers of other requests": reasons[mix.WRONG_ANSWER] + seen.last["unasked"],
        "clean ends on cut streams": reasons[mix.CLEAN_END],
        "records missing": max(0, _owed(seen) - seen.rows),
        "records too many": max(0, seen.rows - seen.last["sent"]),
    }


def _owed(seen: Seen) -> int:
    """Records that must be there: of every call that was sent, but those whose worker was killed or may have been, and
    refusals for overload, of which the request log has a part only."""
    killed, _, _ = seen.promised()
    lost = sum(bool(one["sent"]) for one in killed) + seen.left_at_a_kill()
    return int(seen.last["sent"]) - lost - seen.count(mix.OVERLOADED)


def _kept(seen: Seen) -> bool:
    values = _outcomes(seen)
    never = ("answers of other requests", "clean ends on cut streams", "records missing", "records too many")
    few = len(seen.promised()[2]) < MOST_FAILED * seen.last["sent"]
    return few and not seen.cut_short and not any(values[name] for name in never)


def _growth(watch: Watch, seen: Seen, course: Course) -> dict[str, object]:
    since = seen.began + course.settled_after
    found: dict[str, object] = {}
    for what, name in (("rss", "memory"), ("fds", "descriptors"), ("threads", "threads")):
        for process, slope in watch.slopes(since, what).items():
            found[f"{name} of {process}"] = f"{_middle(watch, since, process, what)}, {slope}"
    return found


def _middle(watch: Watch, since: float, process: str, what: str) -> str:
    series = watch.series(since)
    several = series.values() if process == "together" else [series[process]]
    mean = sum(sum(getattr(sample, what) for sample in samples) / len(samples) for _, samples in several)
    return f"{mean / 2**20:.1f} MiB" if what == "rss" else f"{mean:.1f}"


def _flat(watch: Watch, seen: Seen, course: Course) -> bool:
    """Memory grows by no more than promised, and of descriptors and threads it cannot be told that they do."""
    since = seen.began + course.settled_after
    rss = watch.slopes(since, "rss")
    if any(name not in rss for name in LASTING):
        return False
    steady: list[Slope] = [*watch.slopes(since, "fds").values(), *watch.slopes(since, "threads").values()]
    return rss["together"].percent <= MOST_GROWTH and all(slope.low <= MOST_GROWTH for slope in steady)


def _note(seen: Seen) -> str:
    note = "Callers, providers and the gateway share the machine"
    if seen.last["late"]:
        note += f"; {seen.last['late']} calls left more than 0.1 s late, the latest {seen.last['latest_s']} s"
    if seen.cut_short:
        note += f". Cut short after {seen.took:.0f} of {seen.planned:.0f} s"
    return note + "."

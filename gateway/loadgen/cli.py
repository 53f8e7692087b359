"""``microgate bench URL``: an open-loop load test of any OpenAI-compatible endpoint from the command line."""

from __future__ import annotations

import argparse
import asyncio
import resource
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop

from gateway.loadgen import arrivals, message
from gateway.loadgen.generator import Generator, Plan
from gateway.loadgen.report import Report


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    options = argparse.ArgumentParser(
        prog="microgate bench",
        description="Offer requests at a fixed rate and measure latency from the moment each was meant to leave.",
    )
    options.add_argument("url", help="whole URL of the endpoint, e.g. http://127.0.0.1:8080/v1/chat/completions")
    options.add_argument("--rate", type=float, help="requests a second (100)")
    options.add_argument("--seconds", type=float, default=10.0, help="length of the measured part (10)")
    options.add_argument("--warmup", type=float, default=1.0, help="seconds sent first and not measured (1)")
    options.add_argument("--ramp", action="store_true", help="let the rate grow from nothing during the warm-up")
    options.add_argument("--arrivals", choices=("even", "poisson"), default="even", help="spacing (even)")
    options.add_argument("--trace", type=Path, help="arrivals from a file instead; --rate then stretches it if given")
    options.add_argument("--limit", type=int, default=0, help="first rows of the trace only")
    options.add_argument("--model", default="demo/echo", help="model to ask for (demo/echo)")
    options.add_argument("--key", default="sk-test-123", help="bearer credential")
    options.add_argument("--stream", action="store_true", help="ask for a stream; first byte and gaps are measured")
    options.add_argument("--body", type=Path, help="send this file instead of the standard 850 byte chat body")
    options.add_argument("--connections", type=int, default=64, help="connections opened before the run (64)")
    options.add_argument("--max-connections", type=int, default=16_000, help="most connections at once (16000)")
    options.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the last answers (30)")
    options.add_argument("--header", default="", help="answer header with a time to collect (us, or ms by its name)")
    options.add_argument("--ca", type=Path, help="certificate authority of an https endpoint (PEM)")
    options.add_argument("--json", action="store_true", help="print JSON instead of text")
    return options


def _moments(options: argparse.Namespace) -> list[int]:
    if options.trace is not None:
        return arrivals.trace(options.trace, options.rate or 0.0, options.limit)
    spacing = arrivals.even if options.arrivals == "even" else arrivals.poisson
    rate = options.rate or 100.0
    if not options.ramp:
        return spacing(rate, options.warmup + options.seconds)
    start = int(options.warmup * arrivals.NS)
    return [*arrivals.ramp(rate, options.warmup), *(start + moment for moment in spacing(rate, options.seconds))]


def plan(options: argparse.Namespace) -> Plan:
    """The run the options describe. Raises ValueError for a URL that is none."""
    parts = urlsplit(options.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http or https URL: {options.url}")
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context(cafile=str(options.ca) if options.ca else None)
    body = options.body.read_bytes() if options.body else message.chat_body(options.model, stream=options.stream)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Plan(
        host=parts.hostname,
        port=parts.port or (443 if tls else 80),
        request=message.request(parts.netloc.rpartition("@")[2], target, options.key, body),
        moments_ns=_moments(options),
        warmup_ns=0 if options.trace is not None else int(options.warmup * 1e9),
        warm_connections=options.connections,
        max_connections=options.max_connections,
        timeout=options.timeout,
        header=options.header,
        tls=tls,
    )


def measure(chosen: Plan) -> Report:
    """Run a plan on a loop of its own."""

    async def inside() -> Report:
        return await Generator(chosen).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(inside())


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 0 when every request was answered and the run counts, 1 when not, 2 for a bad option."""
    options = parser().parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        chosen = plan(options)
    except (OSError, ValueError) as error:
        print(f"microgate bench: {error}", file=sys.stderr)
        return 2
    report = measure(chosen)
    if options.json:
        sys.stdout.write(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(report.as_text())
    return 1 if report.void or report.failed else 0

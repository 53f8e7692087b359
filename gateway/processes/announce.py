"""What ``microgate serve`` prints once it takes connections."""

from __future__ import annotations

from pathlib import Path

from _speedups import IMPLEMENTATION, WHY
from gateway import __version__
from gateway.operators.setup_secret import pending as pending
from gateway.processes.context import ServeOptions
from gateway.processes.limits import connection_cap

INTERFACE = Path(__file__).parents[1] / "control" / "static" / "index.html"


def announce(options: ServeOptions, port: int, open_files: int, demo_key: str, set_up: str = "") -> None:
    """Address, implementation and limits on standard output; with a demo key, a command that works when pasted; with
    a set-up secret, what it is for; where the web interface is, if it is built."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}"
    plural = "s" if options.workers > 1 else ""
    print(
        f"microgate {__version__} ({IMPLEMENTATION}) listens on {url}\n"
        f"{options.workers} worker{plural}, each with at most {open_files} open files and "
        f"{connection_cap(open_files)} connections",
        flush=True,
    )
    if IMPLEMENTATION == "pure":
        print(f"Runs in pure Python, several times slower: {WHY}", flush=True)
        if options.workers > 1:
            # Without compare-and-swap, limits that workers share are guarded by a file lock per request.
            print("Several workers share their limits exactly, but slowly, without the compiled modules", flush=True)
    built = INTERFACE.exists()
    if built:
        print(f"Web interface: {url}/ui/", flush=True)
    if set_up and built:
        # Behind the #: a browser sends that to nobody.
        print(f"\nNo operator yet. Set up, in a browser, once: {url}/ui/setup#secret={set_up}", flush=True)
    elif set_up:
        print(f"\nNo operator yet. Set-up secret, valid once, for POST {url}/api/setup: {set_up}", flush=True)
    if demo_key:
        body = '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello, gateway"}]}'
        print(
            f"\nDemo key, valid until this process ends: {demo_key}\n\n"
            f"curl {url}/v1/chat/completions \\\n"
            f"  -H 'Authorization: Bearer {demo_key}' \\\n"
            f"  -H 'Content-Type: application/json' \\\n"
            f"  -d '{body}'\n",
            flush=True,
        )

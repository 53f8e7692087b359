"""Running the fetching child (``gateway.credentials.fetch``) from an event loop, and ending one that is late."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import msgspec

from gateway.credentials.outcome import Outcome, Wanted
from gateway.snapshot.model import Credential

FETCH_S = 20
"""A library's first request, its retry, and a start of Python on a busy machine."""

AT_ONCE = 4
"""Children of one process; each takes about 60 MiB and a fifth of a second of processor time."""

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


async def fetch(credential: Credential, within_s: int = FETCH_S) -> Outcome:
    """The outcome of one fetch; ``late`` when there is none in time. On cancellation the child is killed."""
    path = os.pathsep.join(part for part in (_ROOT, os.environ.get("PYTHONPATH", "")) if part)
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.credentials.fetch",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
    except OSError as error:
        return Outcome(error="failed", detail=f"no process could be started: {error.strerror}")
    try:
        async with asyncio.timeout(within_s):
            out, _ = await child.communicate(msgspec.json.encode(Wanted(credential, within_s)))
        return msgspec.json.decode(out, type=Outcome)
    except TimeoutError:
        return Outcome(error="late", detail=f"nothing came within {within_s} s")
    except msgspec.DecodeError:
        return Outcome(error="failed", detail=f"the fetching process ended with status {child.returncode}")
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

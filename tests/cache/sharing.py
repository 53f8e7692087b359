"""What serves in a worker, with a cache that knows no answers: equal bodies share a call, and what would be kept is
written down. Requests that say ``"user": "alone..."`` share nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

from gateway.core import Core
from gateway.exchange import Exchange
from gateway.phases.forward import Forward
from gateway.runtime import Runtime
from gateway.snapshot.model import Snapshot


class Notes:
    """``core.cache``: nothing is found, and what is handed over goes to a file."""

    most_bytes = 1 << 20

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def note(self, name: str, line: str) -> None:
        with open(os.path.join(self.folder, name), "a") as file:
            file.write(line + "\n")

    def keep(self, x: Exchange, key: bytes, content_type: bytes, body: bytes, streamed: bool) -> None:
        user = json.loads(x.body).get("user", "")
        told = [user, key.hex(), content_type.decode(), base64.b64encode(body).decode(), streamed]
        self.note("kept", json.dumps(told))


class Entering(Forward):
    """Asks whether an equal request is under way, as the look-up does, just before the first attempt."""

    def __init__(self, core: Core, notes: Notes) -> None:
        Forward.__init__(self, core)
        self.notes = notes

    def begin(self, x: Exchange) -> None:
        if x.cache_verdict or not x.body:
            Forward.begin(self, x)
            return
        share = b'"alone' not in x.body
        joined = self.core.flights.enter(x, hashlib.sha256(x.body).digest(), share, True)
        self.notes.note("entered", f"{json.loads(x.body).get('user', '')} {'joined' if joined else 'asks'}")
        if not joined:
            Forward.begin(self, x)


class Sharing(Runtime):
    def adopt(self, snapshot: Snapshot) -> None:
        fresh = self.core is None
        super().adopt(snapshot)
        core: Any = self.core
        if fresh:
            core.cache = Notes(os.environ["MICROGATE_TEST_NOTES"])
            core.attempts = Entering(core, core.cache)

"""What serves in a worker, with a cache that knows no answers: equal bodies share a call, and what would be kept is
written down. Requests that say ``"user": "alone..."`` share nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import cast

from gateway.cache.answers import Answers
from gateway.cache.asking import Asking
from gateway.core import Core
from gateway.errors import UNDER_WAY, Response
from gateway.exchange import Exchange
from gateway.runtime import Runtime
from gateway.snapshot.cache import Cache


class Nobody:
    """In the place of the cache process."""

    def tell(self, *what: object) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is left to be told."""


class Notes(Answers):
    """Nothing is found, and what is handed over goes to a file."""

    def __init__(self, core: Core, settings: Cache, folder: str) -> None:
        Answers.__init__(self, core, settings, None, cast(Asking, Nobody()))
        self.most_bytes = 1 << 20
        self.folder = folder

    def note(self, name: str, line: str) -> None:
        with open(os.path.join(self.folder, name), "a") as file:
            file.write(line + "\n")

    def look(self, x: Exchange) -> Response | None:
        if not x.body:
            return None
        joined = self.flights.enter(x, hashlib.sha256(x.body).digest(), b'"alone' not in x.body, True)
        self.note("entered", f"{json.loads(x.body).get('user', '')} {'joined' if joined else 'asks'}")
        return UNDER_WAY if joined else None

    def keep(self, x: Exchange, key: bytes, content_type: bytes, body: bytes, streamed: bool) -> None:
        user = json.loads(x.body).get("user", "")
        told = [user, key.hex(), content_type.decode(), base64.b64encode(body).decode(), streamed]
        self.note("kept", json.dumps(told))


class Sharing(Runtime):
    def cache(self, core: Core, settings: Cache) -> None:
        if core.cache is None:
            core.cache = Notes(core, settings, os.environ["MICROGATE_TEST_NOTES"])

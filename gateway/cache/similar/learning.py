"""What the cache process learns from answers that were asked afresh, and how it is kept over restarts."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from typing import Any

from gateway.cache.similar.audit import Audit
from gateway.cache.similar.record import learned_key, pool_key
from gateway.cache.similar.threshold import ThresholdCurve
from gateway.cache.similar.verified import FRESH, EntryState, Pool
from gateway.snapshot.cache import Semantic
from gateway.stores.protocols import AnswerStore, StoreUnavailable

log = logging.getLogger("microgate.cache")

MODES = ("shadow", "threshold", "verified")
POOL_NS = 366 * 86400 * 10**9
"""Kept for so long after the last observation."""


class Learning:
    """Of one embedder. Used on the writing thread of the cache process; ``counted`` and ``stats`` from any."""

    def __init__(self, answers: AnswerStore, settings: Semantic, directory: str) -> None:
        self.answers = answers
        self.settings = settings
        self._lock = threading.Lock()
        self._pool_key = pool_key(settings.embedder)
        directory = os.path.join(directory, hashlib.sha256(settings.embedder.encode()).hexdigest()[:16])
        self._curve_path = os.path.join(directory, "curve")
        self._audit_paths = {mode: os.path.join(directory, f"audit-{mode}") for mode in MODES}
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.curve, self.pool = ThresholdCurve(), Pool()
        self._audits = dict.fromkeys(MODES, Audit())
        """By mode: each has hits of its own kind, so that its wrong ones say nothing of another mode's."""
        with contextlib.suppress(OSError, ValueError), open(self._curve_path, "rb") as file:
            self.curve = ThresholdCurve.from_bytes(file.read())
        for mode, path in self._audit_paths.items():
            with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
                self._audits[mode] = Audit.from_bytes(file.read())
        with contextlib.suppress(StoreUnavailable, ValueError):
            data = answers.get(self._pool_key)
            if data:
                self.pool = Pool.from_bytes(data)

    def counted(self, counts: dict[str, int]) -> None:
        """Look-ups and hits of a worker, beside which what was audited is set."""
        hits = counts.get("similar", 0) + counts.get("would_hit", 0)
        lookups = counts.get("looked", 0)
        with self._lock:
            self._audits[self.settings.mode] += Audit(lookups=lookups, hits=hits)

    def note(
        self,
        scope: bytes,
        number: int,
        near: float,
        score: float,
        differs: str,
        right: bool,
        would_hit: bool,
        claim: float,
        expires_ns: int,
    ) -> None:
        """A neighbour was not taken, and its answer would have been right, or not."""
        self.curve.add(near, not differs, right)
        if would_hit:
            with self._lock:
                self._audits[self.settings.mode] += Audit(audited=1, wrong=int(not right))
        if differs or self.settings.mode == "threshold":
            # Which of them are asked afresh depends on how near they are: no fair sample.
            return
        key = learned_key(scope, number)
        data = self.answers.get(key)
        state = FRESH
        with contextlib.suppress(ValueError):
            state = EntryState.from_bytes(data) if data else FRESH
        if claim < 0:
            claim = self.pool.claim(state, score)
        state = self.pool.observe(state, claim, score, right)
        self.answers.put(
            [(key, state.to_bytes(), expires_ns), (self._pool_key, self.pool.to_bytes(), time.time_ns() + POOL_NS)]
        )

    def stats(self) -> dict[str, Any]:
        """As reports show it: of the mode in force, but for the look-ups, which the curve is compared with."""
        audit = self._audits[self.settings.mode]
        return {
            "observations": self.pool.observations,
            "lookups": sum(each.lookups for each in self._audits.values()),
            "would_be_hits": audit.hits,
            "audited": audit.audited,
            "wrong": audit.wrong,
            "wrong_per_hit": audit.wrong_per_hit(),
            "wrong_per_hit_upper": audit.wrong_per_hit_upper(),
            "wrong_per_lookup_upper": audit.wrong_per_lookup_upper(),
            "compared": self.curve.lookups,
            "curve": [point._asdict() for point in self.curve.points() if point.threshold >= 0.5],
        }

    def save(self) -> None:
        """To the disk; what was learned of all entries is among the answers, where it must not grow old."""
        with contextlib.suppress(StoreUnavailable):
            if self.pool.observations:
                self.answers.put([(self._pool_key, self.pool.to_bytes(), time.time_ns() + POOL_NS)])
        audits = ((self._audit_paths[mode], audit.to_bytes()) for mode, audit in self._audits.items())
        for path, data in ((self._curve_path, self.curve.to_bytes()), *audits):
            try:
                with open(f"{path}.new", "wb") as file:
                    file.write(data)
                os.replace(f"{path}.new", path)
            except OSError as error:
                log.warning("what was learned of similar questions is not saved: %s", error)

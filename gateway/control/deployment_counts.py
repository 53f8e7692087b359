"""How many requests provider keys and deployments had, and how many of them failed: from the counters of /metrics."""

from __future__ import annotations

from collections.abc import Container

from gateway.alerts.tallies import how, parsed
from gateway.control.aggregate import Aggregates

Counts = tuple[int, int]
"""Requests, and errors among them."""

ANSWERED = frozenset(("hit", "similar", "shared"))
"""By the cache: the deployment was not asked."""


class DeploymentCounts:
    """Since the control process began. Reads as many cells as there are series."""

    def __init__(self, aggregates: Aggregates) -> None:
        self._keys: dict[tuple[str, str], Counts] = {}
        self._models: dict[str, dict[str, Counts]] = {}
        # Copies: the thread that counts adds to them meanwhile.
        for attempts in list(aggregates.attempts.values()):
            labels = parsed(attempts.labels)
            key = labels["provider"], labels["provider_key"]
            self._keys[key] = _added(self._keys.get(key, (0, 0)), labels, attempts.count)
        for requests in list(aggregates.requests.values()):
            labels = parsed(requests.labels)
            models = self._models.setdefault(labels["provider"], {})
            if labels["cache"] not in ANSWERED:
                models[labels["model"]] = _added(models.get(labels["model"], (0, 0)), labels, requests.count)

    def of_key(self, provider: str, key: str) -> Counts:
        return self._keys.get((provider, key), (0, 0))

    def of_model(self, provider: str, model: str, named: Container[str]) -> Counts:
        """``model`` empty: all together that are not ``named``."""
        models = self._models.get(provider, {})
        if model:
            return models.get(model, (0, 0))
        others = [counts for name, counts in models.items() if name not in named]
        return sum(requests for requests, _ in others), sum(errors for _, errors in others)


def _added(counts: Counts, labels: dict[str, str], count: int) -> Counts:
    failed = how(labels["outcome"], labels["error"]) == "failed"
    return counts[0] + count, counts[1] + count * failed

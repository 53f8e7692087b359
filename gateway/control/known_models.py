"""Which models are counted by name. Whoever holds a key can invent names without end; what never answered well is not
worth a series."""

from __future__ import annotations

MAX_MODELS = 500
"""Of one provider, in the life of the process; as many as /metrics has..."""

MAX_FAILED_MODELS = 50
"""...and that count by name although no request to them went well."""

OTHER = "other"


class KnownModels:
    """The names met so far, by provider."""

    def __init__(self) -> None:
        self._well: dict[int, set[str]] = {}
        self._failed: dict[int, set[str]] = {}

    def name(self, provider: int, model: str, well: bool) -> str:
        """What a model is counted as: its name, or ``other``. ``well``: this request to it went well."""
        models = self._well.setdefault(provider, set())
        if model in models:
            return model
        failed = self._failed.setdefault(provider, set())
        table, room = (models, MAX_MODELS) if well else (failed, MAX_FAILED_MODELS)
        if model not in table and len(table) >= room:
            return model if model in failed else OTHER
        table.add(model)
        return model

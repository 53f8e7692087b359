"""A virtual key as requests meet it: whose it is, what it may use, and the limits that it is held to."""

from __future__ import annotations

from _speedups._bucket import LimitSet
from gateway.snapshot.model import ProviderConfig


class Principal:
    """Made from the key's row on first use and kept while the row is unchanged."""

    def __init__(
        self,
        seq_at: int,
        seq: int,
        hash64: int,
        flags: int,
        ruleset: int,
        slots: list[int],
        pin: int,
        expires_s: int,
        team: int = 0,
        customer: int = 0,
        configs: tuple[ProviderConfig, ...] = (),
    ) -> None:
        self.seq_at = seq_at
        """Where in the table's words its sequence word stands."""
        self.seq = seq
        self.id_hash = hash64
        self.flags = flags
        self.ruleset = ruleset
        self.team = team
        """id hash, like the next; 0: none."""
        self.customer = customer
        self.slots = tuple(slots)
        self.there: dict[str, LimitSet] | None = None
        """Provider's name -> limits of what goes there; None: there are none."""
        self.places: tuple[tuple[str, tuple[int, ...]], ...] = ()
        """The same as slots."""
        end = len(slots)
        for config in reversed(configs):
            if config.limits:
                self.there = self.there or {}
                self.there[config.provider] = LimitSet(slots[end - config.limits : end])
                self.places = ((config.provider, tuple(slots[end - config.limits : end])), *self.places)
                end -= config.limits
        self.general = self.slots[:end]
        self.limits = LimitSet(self.general)
        """Its own, its team's, its customer's."""
        self.limit_count = end
        self.read = False
        """What follows was filled in: ``gateway.phases.metering.read_kinds``."""
        self.budgeted = False
        """Some of its limits counts money."""
        self.growing: LimitSet | None = None
        """Limits that count something of which an answer has more and more; None: there are none."""
        self.pin = pin
        """id hash of the provider key that stateful requests go to; 0: none."""
        self.expires_s = expires_s
        self.cache_scope = b""
        """Whose answers it shares, once it is known: ``gateway.cache.answers``."""
        self.claims = 0
        """Its requests that hold or wait for a slot of this worker."""

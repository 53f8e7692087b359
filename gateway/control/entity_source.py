"""The entities of the control database, as the builder of snapshots takes them."""

from __future__ import annotations

import logging

from gateway.config.schema import Config
from gateway.control.database import ControlDatabase
from gateway.control.entity_kinds import STORED, entities_of
from gateway.secrets.keeper import Keeper
from gateway.secrets.master_key import MasterKeyError
from gateway.snapshot.entities import Entities
from gateway.stores.protocols import StoreUnavailable

log = logging.getLogger("microgate.database")


class DatabaseEntities:
    """``EntitySource`` over the control database. Called on threads."""

    def __init__(self, database: ControlDatabase, keeper: Keeper) -> None:
        self._database = database
        self._keeper = keeper

    def entities(self, config: Config) -> Entities | None:
        """All of them; None while the database cannot be asked. ``config`` says where master keys are."""
        self._keeper.look_in(config.secrets.master_keys, config.secrets.master_key_command)
        if not self._database.is_ready:
            return None
        try:
            return entities_of(*self._database.config.every(STORED), self._keeper.ring())
        except (StoreUnavailable, MasterKeyError) as error:
            log.warning("entities of the database: %s", error)
            return None

    def revision(self) -> int:
        """-1 while the database cannot be asked."""
        if not self._database.is_ready:
            return -1
        try:
            return self._database.config.revision()
        except StoreUnavailable:
            return -1

"""The file and the control database as one configuration, as ``serve`` with the same options would have it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.cli.stored import NoDatabase, open_to_read, url_of
from gateway.config.loader import Loaded, load
from gateway.config.schema import Config
from gateway.config.validate import validate
from gateway.control.entity_kinds import STORED, entities_of
from gateway.processes.paths import Paths, default_data_dir
from gateway.secrets import master_key
from gateway.secrets.master_key import MasterKeyError
from gateway.snapshot.entities import Entities, Merged, merge
from gateway.snapshot.store import StoreError, read_pepper
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.urls import path_of, scheme_of


@dataclass(frozen=True, slots=True)
class Where:
    """Which control database is meant: the options of ``serve``."""

    data_dir: str = ""
    database: str = ""

    @property
    def is_given(self) -> bool:
        return bool(self.data_dir or self.database)

    @property
    def exists(self) -> bool:
        """Whether there is one, as far as can be told without asking a server."""
        url = url_of(self.data_dir, self.database)
        return scheme_of(url) != "sqlite" or os.path.exists(path_of(url))


def read_file(path: str, environ: Mapping[str, str]) -> Loaded:
    """The file alone; none is an empty one. Raises ConfigError."""
    return load(path, environ) if path else Loaded(Config(), "")


def entities(where: Where, config: Config, environ: Mapping[str, str]) -> Entities:
    """What the database has. ``config`` says where master keys are. Raises NoDatabase."""
    data_dir = Paths(where.data_dir or default_data_dir()).data_dir
    try:
        ring = master_key.load(
            data_dir, config.secrets.master_keys, config.secrets.master_key_command, environ, create=False
        )
        database = open_to_read(url_of(where.data_dir, where.database))
        try:
            return entities_of(*SqlConfigStore(database).every(STORED), ring)
        finally:
            database.close()
    except (StoreUnavailable, MasterKeyError) as error:
        raise NoDatabase(str(error)) from error


def together(where: Where, config: Config, found: Entities) -> Merged:
    """Both as one. Raises NoDatabase where what it takes to compare keys cannot be read."""
    try:
        pepper = read_pepper(Paths(where.data_dir or default_data_dir()).key_file)
    except StoreError as error:
        raise NoDatabase(str(error)) from error
    return merge(config, found, validate, pepper)


def counted(config: Config) -> str:
    """How much there is of what, in words."""
    counts: Sequence[tuple[int, str]] = (
        (len(config.providers), "provider"),
        (sum(len(p.keys) for p in config.providers.values()), "provider key"),
        (len(config.routes), "route"),
        (len(config.virtual_keys), "virtual key"),
    )
    return ", ".join(f"{n} {what}" if n == 1 else f"{n} {what}s" for n, what in counts)

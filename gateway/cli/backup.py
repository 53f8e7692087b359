"""``microgate backup FILE`` and ``microgate restore FILE``: a copy of the control database, and its way back."""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import TextIO

from gateway.cli.stored import url_of
from gateway.control.backup import BackupError, Content, restore, save
from gateway.control.migrate import MigrationError
from gateway.processes.instance import holder
from gateway.processes.paths import Paths, default_data_dir
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_rules import describe
from gateway.stores.urls import UnknownStore, scheme_of
from gateway.stores.usage_report import dollars


def back_up(file: str, data_dir: str, database: str, out: TextIO) -> int:
    """Copy, beside a running gateway or without one; returns the exit status."""
    os.umask(0o077)
    try:
        content = save(url_of(data_dir, database), file)
    except (BackupError, UnknownStore, StoreUnavailable, sqlite3.Error, OSError) as error:
        return _complain(error)
    print(f"{file}: {_told(content)}", file=out)
    return 0


def put_back(file: str, data_dir: str, database: str, out: TextIO) -> int:
    """Restore while no gateway runs; returns the exit status."""
    os.umask(0o077)
    url = url_of(data_dir, database)
    paths = Paths(data_dir or default_data_dir())
    try:
        if scheme_of(url) == "sqlite" and holder(paths.lock):
            raise BackupError(f"a gateway runs on {paths.data_dir}; stop it first")
        os.makedirs(paths.data_dir, mode=0o700, exist_ok=True)
        content = restore(file, url)
    except (BackupError, UnknownStore, StoreUnavailable, MigrationError, sqlite3.Error, OSError) as error:
        return _complain(error)
    print(f"restored: {_told(content)}", file=out)
    return 0


def _told(content: Content) -> str:
    cost = dollars(content.cost_nanodollars)
    return f"{content.entities} entities, {content.ledger_rows} rows of the ledger, {cost} USD in all"


def _complain(error: Exception) -> int:
    print(f"microgate: {describe(error)}", file=sys.stderr)
    return 1

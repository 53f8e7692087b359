"""``microgate export``: file and database as one configuration file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec
import yaml

from gateway.cli.merged import Where, entities, read_file, together
from gateway.cli.stored import NoDatabase
from gateway.config.export import document, reference
from gateway.config.names import RowId
from gateway.config.problems import ConfigError
from gateway.config.references import Secret
from gateway.config.schema import Config

EXIT_OK = 0
EXIT_UNREADABLE = 1
EXIT_WRONG = 2


def export(config: str, where: Where, out: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Print it as YAML, secrets as references; on standard error, which variables have to hold what. Returns the exit
    status (1: the database cannot be read, 2: the file cannot be used)."""
    try:
        loaded = read_file(config, environ)
        whole = loaded.config
        if where.is_given or where.exists:
            merged = together(where, whole, entities(where, whole, environ))
            whole = merged.config
            for left in merged.left_out:
                print(f"microgate: left out: {left.label} of the database: {left.why}", file=sys.stderr)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG
    except NoDatabase as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    wanted: dict[str, str] = {}

    def named(_secret: Secret, path: str) -> str:
        name = reference(path)
        while wanted.setdefault(name, path) != path:
            # Two paths that differ in punctuation alone.
            name += "_"
        return name

    found = document(with_values(whole), named)
    yaml.safe_dump(found, out, sort_keys=False, allow_unicode=True, width=120)
    for name, path in wanted.items():
        print(f"microgate: {path} is not in it: set {name.removeprefix('env.')}", file=sys.stderr)
    return EXIT_OK


def with_values(config: Config) -> Config:
    """Virtual keys of the database as files have them: a digest that only this instance can make is of no use there."""
    keys: list[Any] = [
        msgspec.structs.replace(entry, hash=None, value=Secret("of the database"))
        if isinstance(entry.id, RowId)
        else entry
        for entry in config.virtual_keys
    ]
    return msgspec.structs.replace(config, virtual_keys=keys)

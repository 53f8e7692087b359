"""``microgate export``: file and database as one configuration file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from gateway.cli.merged import Where, entities, read_file, together
from gateway.cli.stored import NoDatabase
from gateway.config.export import as_yaml
from gateway.config.problems import ConfigError

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
    text, wanted = as_yaml(whole)
    out.write(text)
    for name, path in wanted.items():
        print(f"microgate: {path} is not in it: set {name}", file=sys.stderr)
    return EXIT_OK

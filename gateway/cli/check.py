"""``microgate check FILE`` and ``microgate schema``: what would happen, without doing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from gateway.cli.merged import Where, counted, entities, together
from gateway.cli.stored import NoDatabase
from gateway.config.jsonschema import schema_text
from gateway.config.loader import load
from gateway.config.problems import ConfigError

EXIT_OK = 0
EXIT_UNREADABLE = 1
EXIT_WRONG = 2


def check_file(path: str, out: TextIO, environ: Mapping[str, str] = os.environ, where: Where | None = None) -> int:
    """Say what is wrong or doubtful with a configuration file, and beside the database ``where`` says; returns the exit
    status (1: the database cannot be read, 2: the file cannot be used)."""
    try:
        loaded = load(path, environ)
    except ConfigError as exc:
        for problem in exc.problems:
            print(problem.render(path), file=out)
        wrong = sum(not problem.warning for problem in exc.problems)
        print(f"{path}: {wrong} problem{'s' if wrong != 1 else ''}; the gateway would not start with it", file=out)
        return EXIT_WRONG
    for problem in loaded.warnings:
        print(problem.render(path), file=out)
    print(f"{path}: ok ({counted(loaded.config)})", file=out)
    if where is None or not where.is_given:
        return EXIT_OK
    try:
        found = entities(where, loaded.config, environ)
        merged = together(where, loaded.config, found)
    except NoDatabase as error:
        print(f"the database: {error}", file=out)
        return EXIT_UNREADABLE
    for left in merged.left_out:
        print(f"warning: {left.label} of the database is left out: {left.why}", file=out)
    print(f"with the database: {counted(merged.config)}", file=out)
    return EXIT_OK


def print_schema(out: TextIO) -> int:
    """The JSON Schema of the configuration file, for editors."""
    print(schema_text(), file=out)
    return EXIT_OK

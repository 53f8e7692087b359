"""``microgate check FILE`` and ``microgate schema``: what would happen, without doing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from gateway.config.jsonschema import schema_text
from gateway.config.loader import load
from gateway.config.problems import ConfigError

EXIT_OK = 0
EXIT_WRONG = 2


def check_file(path: str, out: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Say what is wrong or doubtful with a configuration file; returns the exit status (2: cannot be used)."""
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
    config = loaded.config
    counts = (
        (len(config.providers), "provider"),
        (sum(len(p.keys) for p in config.providers.values()), "provider key"),
        (len(config.routes), "route"),
        (len(config.virtual_keys), "virtual key"),
    )
    summary = ", ".join(f"{n} {what}" if n == 1 else f"{n} {what}s" for n, what in counts)
    print(f"{path}: ok ({summary})", file=out)
    return EXIT_OK


def print_schema(out: TextIO) -> int:
    """The JSON Schema of the configuration file, for editors."""
    print(schema_text(), file=out)
    return EXIT_OK

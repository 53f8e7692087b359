"""Runs the ``microgate`` command that its arguments spell, with ``tests.cache.sharing`` in its workers."""

from __future__ import annotations

import dataclasses
import sys

from gateway.cli.main import main
from gateway.processes.context import ServeOptions

entries = next(field.default for field in dataclasses.fields(ServeOptions) if field.name == "entries")
object.__setattr__(entries, "runtime", "tests.cache.sharing:Sharing")
sys.argv = ["microgate", *sys.argv[4:]]
main()

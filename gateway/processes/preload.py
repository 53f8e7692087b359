"""What workers import, imported once by the supervisor: their forks share these pages."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from gateway.processes.children import load
from gateway.processes.context import ServeOptions


def preload(options: ServeOptions) -> None:
    """Import it, while boot imports what boot needs."""
    gc.disable()
    worker = import_module(options.entries.worker.partition(":")[0])
    worker.loop_factory(options.loop)
    runtime = load(options.entries.runtime)
    prepare = getattr(sys.modules[runtime.__module__], "preload", None)
    if prepare is not None:
        prepare()

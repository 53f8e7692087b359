"""Compiled modules and their pure twins, and the one switch that chooses between them.

Every module named in ``COMPILED_MODULES`` exists twice: as an extension module and as Python source. All of them are
taken compiled or all of them pure, never a mixture, so that what was tested is what runs. Import them by their one name
(``from _speedups._scan import JsonScan``); this package makes that name mean the chosen implementation.

Standard library only, and little of it: every process imports this first.
"""

import os
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Final

__all__ = ["COMPILED_MODULES", "IMPLEMENTATION", "WHY"]

# The build reads this tuple from the source text, so it stays a literal.
COMPILED_MODULES: Final = (
    "_speedups._bytes",
    "_speedups._head",
    "_speedups._chunked",
    "_speedups._stream",
    "_speedups._scan",
    "_speedups._ring",
    "_speedups._bucket",
    "_speedups._keys",
    "_speedups._affinity",
    "_speedups._health",
    "_speedups._cost",
    "_speedups._canonical",
    "_speedups._hnsw",
    "gateway.pricing",
    "gateway.habits",
    "gateway.principal",
    "gateway.serving",
    "gateway.overload.admission",
    "gateway.core",
    "gateway.exchange",
    "gateway.pipeline",
    "gateway.routing.arrange",
    "gateway.routing.budget",
    "gateway.routing.warmest",
    "gateway.relay",
    "gateway.cache.captured",
    "gateway.cache.joined",
    "gateway.cache.flight",
    "gateway.cache.ready",
    "gateway.cache.answers",
    "gateway.server.body",
    "gateway.server.routes",
    "gateway.server.response",
    "gateway.server.reader",
    "gateway.server.connection",
    "gateway.server.deadlines",
    "gateway.upstream.sending",
    "gateway.upstream.connection",
    "gateway.upstream.pool",
    "gateway.phases.parse",
    "gateway.phases.authenticate",
    "gateway.phases.intent",
    "gateway.phases.metering",
    "gateway.phases.admit",
    "gateway.cache.asked",
    "gateway.phases.lookup",
    "gateway.phases.route",
    "gateway.phases.splice",
    "gateway.phases.retry",
    "gateway.phases.ask",
    "gateway.phases.forward",
    "gateway.phases.cost",
    "gateway.phases.settle",
    "gateway.phases.translated",
    "gateway.translation",
    "gateway.control.histogram",
    "gateway.control.figures",
    "gateway.control.sheets",
    "gateway.control.minutes",
    "gateway.control.aggregate",
    "gateway.control.calls",
    "gateway.control.ledger_rows",
)

_ROOT: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _file_of(name: str, suffix: str) -> str:
    return os.path.join(_ROOT, *name.split(".")) + suffix


def _is_built(name: str) -> bool:
    return any(os.path.exists(_file_of(name, suffix)) for suffix in EXTENSION_SUFFIXES)


def _choose() -> tuple[str, str]:
    if os.environ.get("MICROGATE_PURE", "0") not in ("", "0"):
        return "pure", "MICROGATE_PURE is set"
    absent = [name for name in COMPILED_MODULES if not _is_built(name)]
    if absent:
        built = len(COMPILED_MODULES) - len(absent)
        return "pure", f"{built} of {len(COMPILED_MODULES)} extension modules are built; absent: {', '.join(absent)}"
    return "compiled", f"all {len(COMPILED_MODULES)} extension modules are built"


IMPLEMENTATION, WHY = _choose()


class _TwinLoader(SourceFileLoader):
    """Makes ``_speedups._x`` another name of ``_speedups._x_py``: one module object, so its classes exist once."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(module.__name__ + "_py")


class _PureFinder:
    """Finds the pure source of a compiled module before the usual finders see an extension module beside it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in COMPILED_MODULES:
            return None
        twin = _file_of(name, "_py.py")
        if os.path.exists(twin):
            return spec_from_file_location(name, twin, loader=_TwinLoader(name, twin))
        source = _file_of(name, ".py")
        return spec_from_file_location(name, source) if os.path.exists(source) else None


if IMPLEMENTATION == "pure":
    sys.meta_path.insert(0, _PureFinder())

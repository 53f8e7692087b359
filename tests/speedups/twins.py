"""Both implementations of a compiled module, for tests and benchmarks that run on each."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def twins(name: str) -> dict[str, ModuleType]:
    """``c`` and ``py`` -> the module; without ``c`` where this run was told to be pure or nothing is compiled.

    That the extension exists where it is expected is held by tests/project/test_switch.py.
    """
    chosen, pure = import_module(f"_speedups.{name}"), import_module(f"_speedups.{name}_py")
    return {"py": pure} if chosen is pure else {"c": chosen, "py": pure}

"""Whether the three packages that make the gateway belong together."""

from __future__ import annotations

import os

import _speedups
import gateway
import providers


def places() -> list[str]:
    """Directories that ``gateway``, ``_speedups`` and ``providers`` were loaded from: one, in a sound installation.

    The names are generic; another package of the same name earlier on the path would be mixed in silently.
    """
    files = (str(package.__file__) for package in (gateway, _speedups, providers))
    return sorted({os.path.dirname(os.path.dirname(os.path.abspath(file))) for file in files})

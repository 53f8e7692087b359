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


class StartError(Exception):
    """The gateway cannot start; the message is for a person, ``status`` is the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def refuse_a_mixture() -> None:
    """Raises StartError when the three come from different places."""
    homes = places()
    if len(homes) != 1:
        raise StartError(f"gateway, _speedups and providers come from different places: {', '.join(homes)}")

"""Three roles, each of which may do what the one before it may."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

RoleName = Literal["viewer", "operator", "admin"]


class Role(IntEnum):
    """Ordered: a larger role may do more."""

    VIEWER = 1
    """Reads everything but secrets."""
    OPERATOR = 2
    """Also changes customers, teams, virtual keys, routes and prices."""
    ADMIN = 3
    """Also changes providers and their keys, settings and operators."""

    @property
    def spelled(self) -> RoleName:
        return _NAMES[self]

    @staticmethod
    def named(name: str) -> Role:
        """Raises ValueError for what is no role."""
        return Role[name.upper()] if name in _NAMES.values() else Role(0)


_NAMES: dict[Role, RoleName] = {Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}

"""Other gateways whose callers are understood, as workers are told."""

from __future__ import annotations

import msgspec


class Compat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None, unless the configuration says so."""

    litellm: bool = False
    bifrost: bool = False

    @property
    def products(self) -> tuple[str, ...]:
        """Those that are."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))

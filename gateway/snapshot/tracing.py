"""What a snapshot says of traces: all that workers have to know of them."""

from __future__ import annotations

from typing import Literal

import msgspec


class Tracing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    export: bool = False
    """Control exports spans: it wants to know whose children they are."""
    incoming: Literal["trust", "ignore"] = "trust"
    outgoing: Literal["none", "forward", "own"] = "none"
    sample_ratio: float = 1.0
    """Of the traces that begin here."""

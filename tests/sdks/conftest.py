"""The live instances' fixtures."""

from tests.live.fixtures import (
    gateway,
    shared_gateway,
    shared_upstream,
    start_for_module,
    start_gateway,
    upstream,
    upstream_for_module,
)

__all__ = [
    "gateway",
    "shared_gateway",
    "shared_upstream",
    "start_for_module",
    "start_gateway",
    "upstream",
    "upstream_for_module",
]

"""The live instances' fixtures."""

from tests.live.fixtures import gateway, shared_gateway, shared_upstream, start_gateway, upstream

__all__ = ["gateway", "shared_gateway", "shared_upstream", "start_gateway", "upstream"]

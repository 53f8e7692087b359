"""Providers that fail: unreachable, slow, sick, hostile."""

from __future__ import annotations

from bench.reliability import deployments, hedges, repeating, upstream_wire

__all__ = ["deployments", "hedges", "repeating", "upstream_wire"]

"""Accounting and limits: nobody overspends, nothing leaks, every figure that is told is true."""

from __future__ import annotations

from bench.reliability import accounts, billing, spending

__all__ = ["accounts", "billing", "spending"]

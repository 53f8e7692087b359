"""Accounting and limits: nobody overspends, nothing leaks, every figure that is told is true."""

from __future__ import annotations

from bench.reliability import accounts, billing, crashes, endings, metered, settling, spending

__all__ = ["accounts", "billing", "crashes", "endings", "metered", "settling", "spending"]

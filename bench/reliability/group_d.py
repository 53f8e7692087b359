"""Overload: more than can be done, or less to do it with."""

from __future__ import annotations

from bench.reliability import backlog, goodput, log_sinks, short_memory, stalls, unequal

__all__ = ["backlog", "goodput", "log_sinks", "short_memory", "stalls", "unequal"]

"""A worker's slots: what an exchange has of them, whose they are, and how many are for whom."""

from __future__ import annotations

FREE = 0
HELD = 1
WAITING = 2
"""What ``Exchange.slot`` says."""

NORMAL = 0
HIGH = 1
LOW = 2
"""Ranks of keys, as the key table has them among the flags of a row: shifted by ``PRIORITY_SHIFT``."""
PRIORITY_SHIFT = 4
PRIORITY_BITS = 3

NORMAL_SHARE = 0.8
"""Of the slots, for all but keys of high priority."""
EASY_SHARE = 0.6
"""Of the slots, without a look at who asks. What lies between this and the former is for keys that hold less than
their share: without it one key would have taken every slot before the others come."""

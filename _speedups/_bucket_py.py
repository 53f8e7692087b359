"""Pure twin of ``_bucket.pyx``: the same bytes, cells stored as single aligned words, GCRA words under flock."""

from __future__ import annotations

from _speedups._ring_py import RECORD_SIZE, Record, RingReader, RingWriter

__all__ = ["RECORD_SIZE", "Record", "RingReader", "RingWriter"]

"""Open-loop load: requests leave when they were meant to, however slow the answers are.

A closed loop (a fixed number of callers, each waiting for its answer) slows down with the server it measures and so
hides the waiting that real callers would see. Here the arrivals are fixed in advance and latency counts from the
intended moment. See ``docs/bench.md``.
"""

"""What the gateway promises when something goes wrong, measured: `python -m bench.run reliability E1 E3`.

``promises`` says what is promised; the modules of a group (``group_e``, ...) have the figures that measure it; ``run``
keeps what was measured in bench/results/reliability.json; ``page`` renders docs/reliability.md from it.
"""

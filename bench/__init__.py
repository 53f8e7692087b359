"""Benchmarks: ``python -m bench.run`` measures, ``python -m bench.render`` writes RESULTS.md. See bench/README.md."""

"""Rounding of frameworks in sums of many terms, as `python -m benchmarks.reductions` measures it."""

"""What frameworks round by in sums of many terms: what `python -m benchmarks.reductions` measures."""

"""One side run alone, for a file that takes its place in comparisons to come."""

"""A soak: many comparisons at once, for long, while processes are killed at random (`make soak`)."""

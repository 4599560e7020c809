"""Which layers and calls of the two sides belong together: records of both traces in, a plan out."""

"""Alignment of the layers and calls of the two sides: records of both traces in, a plan out."""

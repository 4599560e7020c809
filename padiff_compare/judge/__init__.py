"""Figures, tolerances and verdicts of one pair of tensors."""

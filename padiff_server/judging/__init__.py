"""Figures, tolerances and verdicts of one pair of tensors, and the room that waiting tensors take."""

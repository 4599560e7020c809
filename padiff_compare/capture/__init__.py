"""Captures of one side: what its calls and tensors were, in which order."""

"""Passes before the first step, for what only values tell: orders of axes, and which tensors are the same."""

"""Lockstep: which tensors of the reference go where in the candidate, and whom a difference is charged to."""

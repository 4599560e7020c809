"""Hints: probes that name the kind of mistake behind a pair of tensors that differ."""

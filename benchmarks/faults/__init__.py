"""Planted faults and healthy pairs, compared through real workers: whether the verdicts are right."""

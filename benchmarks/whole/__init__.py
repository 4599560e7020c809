"""Whole comparisons against whole runs of PaDiff 0.2.0, which needs both frameworks in one process."""

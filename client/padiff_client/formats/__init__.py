"""Formats of a report for other programs: one module each, which is a renderer."""

"""Random decisions: which the sides share, and what those touch that they do not."""

"""The coordinator's end of each worker."""

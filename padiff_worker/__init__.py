"""The framework-neutral worker: everything but the adapter."""

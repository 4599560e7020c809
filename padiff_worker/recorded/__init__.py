"""A recording that answers as the worker did of which it was made: no framework, no model."""

"""The coordinator: aligns two workers, runs them together, judges what they stream, reports."""

"""The comparison: two sources of captures joined by a plan, each pair judged, a report made of it."""

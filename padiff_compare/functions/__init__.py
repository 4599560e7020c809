"""Functions between the layers: two traces of one call's inside matched by value, and where they part."""

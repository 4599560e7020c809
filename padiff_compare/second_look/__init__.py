"""Second look: a step's forward pass once more, to see the functions inside the calls that are at fault."""

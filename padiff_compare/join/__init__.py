"""The join: calls and tensors of the two sides are brought together, and measured when both are there."""

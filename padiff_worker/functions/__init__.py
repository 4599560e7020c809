"""Functions between the layers: their calls, and the fingerprints of their tensors."""

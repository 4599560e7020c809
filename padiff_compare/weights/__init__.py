"""From paired layers to weights: which becomes which, by which layout rule, and whether it did."""

"""Models of the fake framework with many small weights."""

import fake


def chain(layers, seed=0):
    """Linear layers of 4 features, each with a weight and a bias."""
    fake.seed(seed)
    return fake.Sequential(*(fake.Linear(4, 4) for _ in range(layers)))

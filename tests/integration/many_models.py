"""Models of the fake framework with many small weights."""

import weakref

import fake

# What `in_a_cycle` has made, while it is there.
ALIVE = weakref.WeakSet()


def chain(layers, seed=0):
    """Linear layers of 4 features, each with a weight and a bias."""
    fake.seed(seed)
    return fake.Sequential(*(fake.Linear(4, 4) for _ in range(layers)))


def in_a_cycle(layers):
    """The same, which refers to itself."""
    made = chain(layers)
    made.whole = [made]
    ALIVE.add(made)
    return made

"""Three batches of random images with labels; the second one is marked, so that a model can tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from padiff_client import Batch

STEPS = 3
# Lies outside what the images hold.
MARK = -3.0


def batches() -> Iterator[Batch]:
    """Yields as many batches as there are steps: float32 [4, 1, 12, 12] in [0, 1), labels of 5 classes."""
    chance = np.random.default_rng(0)
    for step in range(STEPS):
        images = chance.random((4, 1, 12, 12)).astype(np.float32)
        if step == 1:
            images[0, 0, 0, 0] = MARK
        yield Batch(args=(images,), target=chance.integers(0, 5, 4))

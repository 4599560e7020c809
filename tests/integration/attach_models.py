"""A loader for comparisons that go on without their client."""

import numpy as np


def batches():
    for step in range(40):
        yield {"x": np.full((5, 4), 0.1 * (step % 3), np.float32)}

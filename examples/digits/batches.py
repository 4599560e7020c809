"""The input: scikit-learn's handwritten digits, a different batch for each step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.datasets import load_digits

from padiff_client import Batch

BATCH = 256


def batches() -> Iterator[Batch]:
    """Yields batches of float32 images [256, 1, 8, 8] with int64 labels [256], seven in all."""
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    for start in range(0, len(labels) - BATCH + 1, BATCH):
        chosen = slice(start, start + BATCH)
        yield Batch(args=(images[chosen],), target=labels[chosen])

"""The input: a photograph of a temple that scikit-learn ships."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_sample_image

SIZE = 224
# Means and deviations of ImageNet's channels.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def photograph() -> dict[str, np.ndarray]:
    """Returns the reference's arguments by name: "images", float32 [1, 3, 224, 224]."""
    image = load_sample_image("china.jpg").astype(np.float32) / 255
    height, width, _ = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = resize(image[top : top + side, left : left + side], SIZE)
    normalised = (square - MEAN) / DEVIATION
    return {"images": np.ascontiguousarray(normalised.transpose(2, 0, 1)[None], dtype=np.float32)}


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Returns the square `image` [side, side, channels] as [size, size, channels], bilinearly."""
    side = image.shape[0]
    centres = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.floor(centres).astype(int)
    high = np.minimum(low + 1, side - 1)
    share = (centres - low).astype(np.float32)
    rows = image[low] * (1 - share)[:, None, None] + image[high] * share[:, None, None]
    return rows[:, low] * (1 - share)[None, :, None] + rows[:, high] * share[None, :, None]

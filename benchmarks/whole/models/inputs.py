"""The models' inputs, the same in every run."""

from __future__ import annotations

import numpy as np

PHOTOGRAPHS, SENTENCES, WORDS = 4, 2, 128


def photographs() -> dict[str, np.ndarray]:
    """Returns the reference's arguments by name: "images", float32 [4, 3, 224, 224]."""
    drawn = np.random.default_rng(0).standard_normal((PHOTOGRAPHS, 3, 224, 224), np.float32)
    return {"images": drawn}


def sentences() -> dict[str, np.ndarray]:
    """Returns the arguments by name: "ids", int64 [2, 128]."""
    return {"ids": np.random.default_rng(0).integers(1, 30_000, (SENTENCES, WORDS))}


def batch_of(model: str) -> dict[str, np.ndarray]:
    """Returns the arguments of "resnet50" or "bert"."""
    return photographs() if model == "resnet50" else sentences()


def module_of(framework: str, model: str) -> str:
    """Returns the module in which a framework has "resnet50" or "bert"."""
    return f"{framework}_{'model' if model == 'resnet50' else model}"

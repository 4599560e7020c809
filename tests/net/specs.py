"""Specs of the comparisons of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parent / "models"
STEPS = 3


def side(framework: str, worker: str, **kwargs: str) -> dict[str, Any]:
    """Returns a model of a spec: the small classifier in `framework`, trained by the worker of that name."""
    return {
        "worker": worker,
        "model": f"{framework}_net:build",
        "kwargs": kwargs,
        "loss": f"{framework}_net:loss",
        "optimizer": f"{framework}_net:optimizer",
        "train": True,
    }


def training(reference: dict[str, Any], candidate: dict[str, Any]) -> dict[str, Any]:
    """Returns a spec, less its server, of three training steps of the small classifier."""
    inputs = {"function": "batches:batches", "path": [str(MODELS)]}
    return {"reference": reference, "candidate": candidate, "inputs": inputs, "steps": STEPS}

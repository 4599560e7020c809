"""Runs one of the models of many calls without any comparison: `python plain_calls.py torch 10000 1024`.

It says how many seconds a second forward pass took. It runs in the framework's environment, and needs nothing
of ours.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "models"))


def main(framework: str, calls: int, tensor_bytes: int) -> int:
    """Returns 0."""
    library = importlib.import_module(framework)
    model = importlib.import_module(f"{framework}_calls").build(calls)
    model.eval()
    array = np.random.default_rng(0).random(tensor_bytes // 4, np.float32)
    batch = library.to_tensor(array) if framework == "paddle" else library.from_numpy(array)
    model(batch)
    began = time.monotonic()
    model(batch)
    print(time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

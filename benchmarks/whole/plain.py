"""Trains one of the models without any comparison: `python plain.py torch resnet50 5`.

It says "ready" behind a first step, waits for a line, and then says how many seconds the steps took. It runs
in the framework's environment, and needs nothing of ours.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "models"), str(HERE.parent.parent / "examples" / "resnet50")]

from inputs import batch_of, module_of  # noqa: E402


def main(framework: str, name: str, steps: int) -> int:
    """Returns 0."""
    library = importlib.import_module(framework)
    model = importlib.import_module(module_of(framework, name)).build()
    optimizer = importlib.import_module(f"{framework}_training").sgd(model)
    model.train()
    ((_, array),) = batch_of(name).items()
    batch = library.to_tensor(array) if framework == "paddle" else library.from_numpy(array)
    _step(model, optimizer, batch)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for _ in range(steps):
        _step(model, optimizer, batch)
    print(time.monotonic() - began, flush=True)
    return 0


def _step(model: Any, optimizer: Any, batch: Any) -> None:
    output = model(batch)
    loss = (output[0] if isinstance(output, (tuple, list)) else output).mean()
    loss.backward()
    optimizer.step()
    clear = getattr(optimizer, "clear_grad", None) or optimizer.zero_grad
    clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

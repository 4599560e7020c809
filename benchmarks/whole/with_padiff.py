"""Runs PaDiff 0.2.0 on one of the models: `python with_padiff.py resnet50`. In an environment of its own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "models"), str(HERE.parent.parent / "examples" / "resnet50")]

import paddle  # noqa: E402
import torch  # noqa: E402
from inputs import batch_of, module_of  # noqa: E402
from padiff import auto_diff  # noqa: E402


def main(name: str) -> int:
    """Returns 1 where PaDiff finds a difference; its bound is loose, so that it goes to the end."""
    torch.manual_seed(0)
    module = importlib.import_module(module_of("torch", name)).build()
    layer = importlib.import_module(module_of("paddle", name)).build()
    module.train()
    layer.train()
    ((argument, array),) = batch_of(name).items()
    renamed = "x" if name == "resnet50" else argument
    batch = {renamed: paddle.to_tensor(array)}, {argument: torch.from_numpy(array)}
    return int(not auto_diff(layer, module, batch, auto_weights=True, options={"atol": 1e-3, "rtol": 1e-3}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

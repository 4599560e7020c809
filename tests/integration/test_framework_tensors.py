"""Torch's and Paddle's own tensors as inputs, where a client happens to have the framework."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOOK = """
import json, sys
{make}
assert "padiff_client" not in sys.modules
from padiff_client.tensor_leaves import Input, host_tensor, is_tensor, requires_grad
seen = []
for leaf in leaves:
    assert is_tensor(leaf) and is_tensor(Input(leaf))
    tensor = host_tensor(leaf, where="x")
    seen.append([str(tensor.spec), tensor.array.reshape(-1).tolist(), requires_grad(leaf)])
print(json.dumps(seen))
"""
TORCH = """
import torch
leaves = [
    torch.arange(6.0).reshape(2, 3).t().requires_grad_(),
    torch.tensor([1.0, -2.0], dtype=torch.bfloat16),
    torch.tensor(3),
    torch.nn.Parameter(torch.ones(1)),
]
"""
PADDLE = """
import paddle
leaves = [
    paddle.arange(6, dtype="float32").reshape([2, 3]).t(),
    paddle.to_tensor([1.0, -2.0], dtype="bfloat16"),
    paddle.to_tensor(3),
    paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(1.0)),
]
leaves[0].stop_gradient = False
"""
EXPECTED = [
    ["float32[3, 2]", [0.0, 3.0, 1.0, 4.0, 2.0, 5.0], True],
    ["bfloat16[2]", [0x3F80, 0xC000], False],
    ["int64[]", [3], False],
    ["float32[1]", [1.0], True],
]


@pytest.mark.parametrize(("framework", "make"), [("torch", TORCH), ("paddle", PADDLE)])
def test_tensors_of_a_framework_are_read_without_importing_it(framework: str, make: str) -> None:
    fallback = ROOT / ".venv" / framework / "bin" / "python"
    python = os.environ.get(f"PADIFF_{framework.upper()}_PYTHON", str(fallback))
    if not Path(python).exists():
        pytest.skip(f"no interpreter with {framework}: run `make test`")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [python, "-W", "ignore", "-c", LOOK.format(make=make)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[-1]) == EXPECTED

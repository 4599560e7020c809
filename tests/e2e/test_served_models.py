"""Models that live in their users' own scripts: `serve` turns each script into a worker."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from padiff_client import InvalidRequestError, ModelSpec, auto_diff
from padiff_rpc.v1.words import Phase

TORCH_SCRIPT = """
import torch
import padiff_worker_torch

torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).train()
padiff_worker_torch.serve(
    model,
    address="127.0.0.1:0",
    loss=lambda output: (output * output).sum(),
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
)
assert model.training, "serve() gives the modes back"
print("done", flush=True)
"""
PADDLE_SCRIPT = """
import paddle
import padiff_worker_paddle

model = paddle.nn.Sequential(paddle.nn.Linear(4, 8), paddle.nn.ReLU(), paddle.nn.Linear(8, 2))
padiff_worker_paddle.serve(
    model,
    address="127.0.0.1:0",
    loss=lambda output: (output * output).sum(),
    optimizer=paddle.optimizer.SGD({rate}, parameters=model.parameters()),
)
print("done", flush=True)
"""


@contextmanager
def script(python: str, text: str, folder: Path, name: str) -> Iterator[str]:
    """Runs a user's script; yields the address that it prints, and at the end sees it end by Ctrl-C."""
    file = folder / f"{name}.py"
    file.write_text(text)
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([python, str(file)], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
        process.send_signal(2)
        rest, _ = process.communicate(timeout=20)
        assert (process.returncode, rest) == (0, "done\n"), (folder / f"{name}.log").read_text()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("rate", "agrees"), [(0.1, True), (0.2, False)])
def test_two_scripts_are_compared_through_their_own_losses_and_optimizers(
    torch_python: str, paddle_python: str, tmp_path: Path, rate: float, agrees: bool
) -> None:
    x = {"input": np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)}
    with ExitStack() as running:
        module = running.enter_context(script(torch_python, TORCH_SCRIPT, tmp_path, "torch_script"))
        text = PADDLE_SCRIPT.format(rate=rate)
        layer = running.enter_context(script(paddle_python, text, tmp_path, "paddle_script"))
        specs = ModelSpec(worker=layer), ModelSpec(worker=module)
        report = auto_diff(*specs, (x, x), steps=2)
        assert bool(report) is agrees, str(report)
        assert report.coverage.parameters_compared == report.coverage.parameters_total == 4
        if agrees:
            assert len(report.steps) == 2
            with pytest.raises(InvalidRequestError, match="serves the model of its own script"):
                auto_diff(ModelSpec(model="a:b", worker=layer), specs[1], (x, x))
        else:
            assert report.first_divergence is not None
            assert (report.first_divergence.phase, report.first_divergence.step) == (Phase.OPTIMIZER, 0)

"""Two live models in one script, each served from a thread; a framework's interpreter runs the script."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = """
import sys
import numpy as np
import torch
from padiff_client import InvalidRequestError, Options
from padiff_client.live import assign_weight, auto_diff, served

def net(seed, eps=1e-5):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8, eps=eps), torch.nn.Linear(8, 2))

def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr)

def squares(output):
    return (output * output).sum()

x = {"input": np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)}

# Weights are copied into the live object, and training steps are made on it.
layer, module = net(1).train(), net(2).train()
before = layer[0].weight.detach().clone()
report = auto_diff(
    layer, module, (x, x), steps=3, loss_fn=(squares, squares), optimizer=(sgd(layer), sgd(module))
)
assert report, str(report)
assert len(report.steps) == 3 and report.coverage.parameters_compared == 6
assert layer.training and not torch.equal(layer[0].weight, before)
assert torch.equal(layer[0].weight, module[0].weight)
assert {environment.train for environment in report.environments} == {True}

# Faults are found: in a layer, and in an optimizer.
report = auto_diff(net(1, eps=0.1).eval(), module, (x, x))
assert not report and report.first_divergence.path == "1", str(report)
layer, module = net(1), net(2)
report = auto_diff(layer, module, (x, x), steps=2, optimizer=(sgd(layer, 0.2), sgd(module)))
assert not report and str(report.first_divergence.phase) == "optimizer", str(report)

# An optimizer that is none, and a function in its place.
layer, module = net(1), net(2)
report = auto_diff(layer, module, (x, x))
assert report and not [row for row in report.rows if str(row.phase) == "optimizer"], str(report)
optimizers = sgd(layer), sgd(module)
def stepping(optimizer):
    return lambda: (optimizer.step(), optimizer.zero_grad())
assert auto_diff(layer, module, (x, x), steps=2, optimizer=tuple(map(stepping, optimizers)))

def refused(said, function, *given, **more):
    try:
        function(*given, **more)
    except InvalidRequestError as error:
        assert said in str(error), str(error)
    else:
        raise AssertionError("not refused")

refused("steps: 3 steps need an optimizer on both sides", auto_diff, layer, module, (x, x), steps=3)
one_sided = (optimizers[0], None)
refused("reference.optimizer: give one for both sides", auto_diff, layer, module, (x, x), optimizer=one_sided)
refused("reference.loss: give one for both sides", auto_diff, layer, module, (x, x), loss_fn=(squares, None))
refused("loss_fn: ", auto_diff, layer, module, (x, x), loss_fn=("a:b", "a:b"))
swapped = "optimizer: an int is not allowed; allowed: an optimizer of torch over this model's"
refused(swapped, auto_diff, layer, module, (x, x), optimizer=(1, 2))
refused("the class torch.optim", auto_diff, layer, module, (x, x), optimizer=(torch.optim.SGD,) * 2)
elsewhere = sgd(net(3)), sgd(net(3))
refused("steps none of this model's weights", auto_diff, layer, module, (x, x), steps=2, optimizer=elsewhere)
refused("loss: 3 is not allowed", auto_diff, layer, module, (x, x), loss_fn=(squares, 3))
refused('auto_diff: atol: an option; write options={"atol": ...}', auto_diff, layer, module, (x, x), atol=1)
refused("auto_diff: train: belongs to one model, which", auto_diff, layer, module, (x, x), train=True)
refused("auto_diff: base_model: the reference; write module=", auto_diff, base_model=module)
refused("assign_weight: server: belongs to a server", assign_weight, layer, module, server="a:1")
refused("save: 3 is not allowed", assign_weight, layer, module, save=3)
refused("save: the folder ", assign_weight, layer, module, save="missing/saved.pt")
refused("module: it and layer are one object; give each its own", auto_diff, module, module, (x, x))
shared = torch.nn.Sequential(module[0], torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
refused("module: it and layer have the layer '0' in common", auto_diff, shared, module, (x, x))
shared = net(1)
shared[2].bias = module[2].bias
refused("module: it and layer have the weight '2.bias' in common", auto_diff, shared, module, (x, x))
refused("layer: a dict is not allowed; allowed: a torch.nn.Module", auto_diff, {}, module, (x, x))

with served(net(1), net(2)) as (candidate, reference):
    import padiff_client
    refused(
        'roots=["folder"]', padiff_client.auto_diff, candidate, reference, (x, x), loss_fn=("a:b", "a:b")
    )

# What is saved is the live model's state.
layer, module = net(1), net(2)
assert assign_weight(layer, module, save="saved.pt")
assert torch.equal(torch.load("saved.pt")["0.weight"], module[0].weight)
assert torch.equal(layer[0].weight, module[0].weight)

# A model that raises is a result, and the script goes on.
class Raising(torch.nn.Module):
    def forward(self, input):
        raise ValueError("on purpose")
report = auto_diff(Raising(), net(2), (x, x))
assert not report and report.failures
print("done")
"""


def test_one_script_compares_its_own_live_models(torch_python: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ended = subprocess.run(
        [torch_python, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(temporary.glob("padiff-*")) == []


PADDLE_SCRIPT = """
import numpy as np
import paddle
from padiff_client.live import auto_diff

def net(eps=1e-5):
    return paddle.nn.Sequential(paddle.nn.Linear(4, 8), paddle.nn.LayerNorm(8, epsilon=eps))

def sgd(model):
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())

x = {"input": np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)}
layer, module = net(), net()
report = auto_diff(layer, module, (x, x), steps=2, optimizer=(sgd(layer), sgd(module)))
assert report, str(report)
assert report.coverage.parameters_compared == 4
report = auto_diff(net(1e-3), module, (x, x))
assert not report and report.first_divergence.path == "1", str(report)
print("done")
"""


def test_a_script_of_paddle_does_too(paddle_python: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PADDLE_SCRIPT)
    ended = subprocess.run(
        [paddle_python, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


HANGING_SCRIPT = """
import time
import torch
from padiff_client.live import auto_diff

class Hanging(torch.nn.Module):
    def forward(self, input):
        time.sleep(3600)

x = {"input": torch.ones(2, 4)}
report = auto_diff(Hanging(), torch.nn.Linear(4, 2), (x, x), options={"timeout": 10})
assert not report and report.troubles[0].activity is not None, str(report)
print("done")
"""


def test_a_script_goes_on_and_ends_beside_a_live_model_that_hangs(torch_python: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(HANGING_SCRIPT)
    ended = subprocess.run(
        [torch_python, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "the torch model still runs, and no program can end a thread" in ended.stderr

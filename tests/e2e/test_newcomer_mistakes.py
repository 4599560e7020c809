"""Mistakes that newcomers make with real frameworks, each by the real command.

Those that need none are in `tests/integration/test_newcomer_mistakes.py`.
"""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest
from mistakes import COMPARE, Mistake, check

TORCH_MODELS = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.up, self.down = torch.nn.Linear(4, width), torch.nn.Linear(width, 3)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))

class Unfinished(Net):
    def forward(self, x):
        return self.head(self.up(x))

def bare_class():
    return Net
"""
PADDLE_MODELS = """
import paddle

class Net(paddle.nn.Layer):
    def __init__(self, width=8):
        super().__init__()
        self.up, self.down = paddle.nn.Linear(4, width), paddle.nn.Linear(width, 3)

    def forward(self, x):
        return self.down(paddle.nn.functional.relu(self.up(x)))
"""
SPEC = """reference:
  framework: torch
  python: {torch}
  model: "torch_net:Net"
candidate:
  framework: paddle
  python: {paddle}
  model: "paddle_net:Net"
inputs: {{x: {{shape: [2, 4]}}}}
"""


def spec(old: str, new: str) -> str:
    assert old in SPEC
    return SPEC.replace(old, new, 1)


MISTAKES = {
    "an interpreter that is not there": Mistake(
        spec=spec("python: {torch}", "python: /opt/torch/bin/python"),
        said=["reference.python: /opt/torch/bin/python is not an interpreter on this machine"],
    ),
    "an environment's folder for its interpreter": Mistake(
        spec=spec("python: {torch}", "python: {empty}"),
        said=["reference.python:", "is not an interpreter on this machine; did you mean", "/bin/python?"],
    ),
    "an interpreter without the framework": Mistake(
        spec=spec("python: {torch}", "python: {client}"),
        said=["reference", "-m pip install torch"],
    ),
    "the other framework's interpreter": Mistake(
        spec=spec("python: {torch}", "python: {paddle}"),
        said=["reference.python: {paddle} has no torch", "name an interpreter that has it, or run:"],
    ),
    "an interpreter without padiff-rpc": Mistake(
        spec=spec("python: {torch}", "python: {empty}/bin/python"),
        said=["reference", "-m pip install 'padiff-rpc[torch]'"],
    ),
    "models that are swapped": Mistake(
        spec=SPEC.replace("torch_net", "T").replace("paddle_net", "torch_net").replace("T:", "paddle_net:"),
        said=["raised ModuleNotFoundError (load): No module named", "install what is missing into the"],
    ),
    "a class in place of a model": Mistake(
        spec=spec("torch_net:Net", "torch_net:bare_class"),
        said=["returned the class torch_net.Net, which is no torch model"],
    ),
    "a module without its folder": Mistake(
        spec=spec('model: "torch_net:Net"', 'model: "torch_net:Net"\n  path: [models]'),
        said=["reference.path:", "models is not a folder on this machine"],
    ),
    "a device that this machine lacks": Mistake(
        spec=spec('model: "torch_net:Net"', 'model: "torch_net:Net"\n  device: cuda:7'),
        said=["reference.device: 'cuda:7' is not usable here; use one of cpu"],
    ),
    "integers for a layer of floats": Mistake(
        spec=spec("{{shape: [2, 4]}}", "{{shape: [2, 4], dtype: int64}}"),
        said=[
            "raised RuntimeError in up (forward of step 0)",
            "inputs.x.dtype is int64; the weights are float32",
            "torch_net.py",
            "correct the inputs, which neither model takes",
        ],
    ),
    "a model that is not finished": Mistake(
        spec=spec("torch_net:Net", "torch_net:Unfinished"),
        said=[
            "the reference raised AttributeError (forward of step 0): 'Unfinished' object has no",
            "in forward",
            "return self.head(self.up(x))",
            "correct the reference's code at torch_net.py:14, then compare again",
        ],
    ),
    "a state file of another model": Mistake(
        spec=spec('model: "torch_net:Net"', 'model: "torch_net:Net"\n  weights: other.pt'),
        said=["reference.weights:", "other.pt does not fit the model: it lacks up.bias"],
    ),
    "a state file that is none": Mistake(
        spec=spec('model: "torch_net:Net"', 'model: "torch_net:Net"\n  weights: none.pt'),
        said=["reference.weights:", "none.pt cannot be read as a state file", "save the state_dict alone"],
    ),
    "a page where a folder is": Mistake(
        spec=SPEC, arguments=(*COMPARE, "--html", "."), said=["--html: . is a folder; name a file in it"]
    ),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which nothing is installed."""
    folder = tmp_path_factory.mktemp("environment") / "empty"
    venv.create(folder, with_pip=False)
    return folder


@pytest.fixture(scope="module")
def other_state(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a model with another width."""
    import subprocess

    file = tmp_path_factory.mktemp("state") / "other.pt"
    code = f"import torch; torch.save({{'up.weight': torch.zeros(9, 4)}}, {str(file)!r})"
    subprocess.run([torch_python, "-c", code], check=True)
    return file


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_blamed_by_what_it_is(
    name: str, torch_python: str, paddle_python: str, empty: Path, other_state: Path, tmp_path: Path
) -> None:
    (tmp_path / "torch_net.py").write_text(TORCH_MODELS)
    (tmp_path / "paddle_net.py").write_text(PADDLE_MODELS)
    (tmp_path / "other.pt").symlink_to(other_state)
    (tmp_path / "none.pt").write_text("no state")
    names = {"torch": torch_python, "paddle": paddle_python, "empty": str(empty), "client": sys.executable}
    mistake = MISTAKES[name]
    said = [part.format(**names) if "{" in part else part for part in mistake.said]
    check(
        Mistake(spec=mistake.spec, arguments=mistake.arguments, status=mistake.status, said=said),
        tmp_path,
        names,
    )

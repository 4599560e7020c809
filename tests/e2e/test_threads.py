"""The candidate computes with all cores while the reference rests, unless both are of one framework."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from padiff_client import ModelSpec, auto_diff, launches

# What calls of the candidate's forward computed with is written to a file, a line for each.
NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self, file):
        super().__init__()
        self.first, self.second, self.file = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2), file

    def forward(self, x):
        with open(self.file, "a") as file:
            print(torch.get_num_threads(), file=file)
        return self.second(self.first(x))
"""
PADDLE_NETS = """
import paddle

class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = paddle.nn.Linear(4, 3), paddle.nn.Linear(3, 2)

    def forward(self, x):
        return self.second(self.first(x))
"""


@pytest.mark.parametrize(("framework", "counts"), [("paddle", ["1", "1", "2"]), ("torch", ["1", "1", "1"])])
def test_the_free_pass_of_another_framework_computes_with_all_threads(
    framework: str,
    counts: list[str],
    torch_python: str,
    paddle_python: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(launches, "_usable_cores", lambda: 2)
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "paddle_nets.py").write_text(PADDLE_NETS)
    told, others = tmp_path / "told", tmp_path / "others"
    path = [tmp_path]
    module = (
        ModelSpec("paddle", "paddle_nets:Net", python=paddle_python, path=path)
        if framework == "paddle"
        else ModelSpec("torch", "nets:Net", kwargs={"file": str(others)}, python=torch_python, path=path)
    )
    layer = ModelSpec("torch", "nets:Net", kwargs={"file": str(told)}, python=torch_python, path=path)
    given = np.array([[0.5, -1.0, 2.0, 0.25]] * 2, np.float32)

    report = auto_diff(layer=layer, module=module, example_inp=({"x": given}, {"x": given}))

    assert report, report.reasons
    # Those of the trace, of the pass in lockstep and of the free one.
    assert told.read_text().split() == counts

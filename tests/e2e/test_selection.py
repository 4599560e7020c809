"""`--include` and `--exclude` with real frameworks, train mode and an optimizer, by the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from padiff_client import Report
from padiff_rpc.v1.words import CaptureKind

TORCH_MODEL = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2D(3, 3, 3, padding=1), torch.nn.BatchNorm2D(3)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(self.conv(x)))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = Block(), Block()

    def forward(self, x):
        return self.last(self.first(x))

def adam(model):
    return torch.optim.Adam(0.001, parameters=model.parameters())
"""
PADDLE_MODEL = TORCH_MODEL.replace("nn.Module", "nn.Layer").replace("torch.optim", "paddle.optimizer")
PADDLE_MODEL = PADDLE_MODEL.replace("torch", "paddle")
TORCH_MODEL = TORCH_MODEL.replace("2D(", "2d(").replace("Adam(0.001, parameters=", "Adam(lr=0.001, params=")
SPEC = """
reference: {framework: torch, model: "torch_net:Net", train: true, optimizer: "torch_net:adam"}
candidate: {framework: paddle, model: "paddle_net:Net", train: true, optimizer: "paddle_net:adam"}
inputs: {x: {shape: [2, 3, 8, 8]}}
steps: 2
options: {exclude: ["**.drop"]}
"""


@pytest.fixture
def folder(tmp_path: Path, torch_python: str, paddle_python: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADIFF_TORCH_PYTHON", torch_python)
    monkeypatch.setenv("PADIFF_PADDLE_PYTHON", paddle_python)
    for name, text in (("torch_net.py", TORCH_MODEL), ("paddle_net.py", PADDLE_MODEL), ("spec.yaml", SPEC)):
        (tmp_path / name).write_text(text)
    return tmp_path


def padiff(folder: Path, *flags: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "padiff_client", "compare", "spec.yaml", "--json", "report.json", *flags],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def called(folder: Path) -> set[str]:
    rows = Report.load(folder / "report.json").all_rows
    kinds = (CaptureKind.INPUT, CaptureKind.OUTPUT)
    return {row.reference.path for row in rows if row.kind in kinds and row.reference is not None}


def test_what_is_selected_is_compared_and_all_weights_are(folder: Path) -> None:
    code, said = padiff(folder)
    assert code == 0, said
    assert called(folder) == {"", "first", "first.conv", "first.norm", "last", "last.conv", "last.norm"}
    code, said = padiff(folder, "--include", "last")
    assert code == 0, said
    assert called(folder) == {"", "last", "last.conv", "last.norm"}
    assert "8 of 8 parameters" in said


def test_a_path_of_no_layer_is_one_line_with_the_nearest(folder: Path) -> None:
    code, said = padiff(folder, "--include", "lats", "-q")
    assert code == 2
    assert "options.include: 'lats' fits no layer; nearest: last" in said
    assert len(said.strip().splitlines()) == 1

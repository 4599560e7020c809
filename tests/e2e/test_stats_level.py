"""`--level stats` with real frameworks: what it finds is what whole tensors find, and little travels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from padiff_client import Report
from padiff_rpc.v1.words import CaptureKind, NoteKind, Omission

TORCH_MODEL = """
import torch

class Block(torch.nn.Module):
    def __init__(self, epsilon):
        super().__init__()
        self.norm = torch.nn.LayerNorm(64, eps=epsilon)
        self.wide, self.act, self.narrow = torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.Linear(128, 64)

    def forward(self, x):
        return x + self.narrow(self.act(self.wide(self.norm(x))))

class Net(torch.nn.Module):
    def __init__(self, fault=0.0):
        super().__init__()
        self.stem = torch.nn.Linear(16, 64)
        self.blocks = torch.nn.Sequential(*(Block(1e-5 + fault * (number == 2)) for number in range(4)))
        self.head = torch.nn.Linear(64, 8)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))
"""
PADDLE_MODEL = TORCH_MODEL.replace("nn.Module", "nn.Layer").replace("eps=", "epsilon=")
PADDLE_MODEL = PADDLE_MODEL.replace("torch", "paddle")
SPEC = """
reference: {framework: torch, model: "torch_net:Net", train: true}
candidate: {framework: paddle, model: "paddle_net:Net", train: true, kwargs: {fault: FAULT}}
inputs: {x: {shape: [8, 64, 16], seed: 0}}
"""


@pytest.fixture
def folder(tmp_path: Path, torch_python: str, paddle_python: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADIFF_TORCH_PYTHON", torch_python)
    monkeypatch.setenv("PADIFF_PADDLE_PYTHON", paddle_python)
    for name, text in (("torch_net.py", TORCH_MODEL), ("paddle_net.py", PADDLE_MODEL)):
        (tmp_path / name).write_text(text)
    for name, fault in (("healthy", "0.0"), ("faulty", "9.0e-4")):
        (tmp_path / f"{name}.yaml").write_text(SPEC.replace("FAULT", fault))
    return tmp_path


def compared(folder: Path, name: str, *flags: str) -> tuple[int, Report]:
    done = subprocess.run(
        [sys.executable, "-m", "padiff_client", "compare", f"{name}.yaml", "--json", "out.json", *flags],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, Report.load(folder / "out.json")


def test_a_healthy_pair_passes_and_a_fault_is_told_by_whole_tensors_where_these_find_it(folder: Path) -> None:
    code, report = compared(folder, "healthy", "--level", "stats")
    assert code == 0, str(report)
    (note,) = (one for one in report.summary.notes if one.kind is NoteKind.SKETCHED)
    _, estimated, fetched, came, whole = note.numbers
    assert estimated > 80
    assert fetched == 0
    assert came < whole / 8
    # The matrices of Linear, which the two frameworks store transposed.
    gradients = {
        row.reference.slot
        for row in report.rows
        if row.kind is CaptureKind.PARAMETER_GRADIENT and row.figures and row.figures.is_estimate
        if row.reference is not None
    }
    assert gradients == {"weight"}

    code, report = compared(folder, "faulty", "--level", "stats")
    assert code == 1
    first = report.first_divergence
    assert first is not None
    assert first.candidate is not None
    assert (first.candidate.path, first.row.kind) == ("blocks.2.norm", CaptureKind.OUTPUT)
    assert first.row.figures is not None
    assert not first.row.figures.is_estimate
    assert first.row.figures.worst
    assert "epsilon" in str(report)
    assert any(row.omission is Omission.SUSPECTED for row in report.rows)

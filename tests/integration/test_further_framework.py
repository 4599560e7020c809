"""A further framework is a folder of its own and a row in the client's table, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from padiff_client import Batch, InvalidRequestError, ModelSpec, auto_diff, live
from padiff_client.frameworks import FRAMEWORKS, Framework
from padiff_client.interpreter_check import check_interpreter
from padiff_rpc.tensors import HostTensor

FAKES = Path(__file__).resolve().parent.parent / "fakes"
sys.path.insert(0, str(FAKES))

import fake  # noqa: E402

FOLDER = {
    "__init__.py": "",
    "adapter.py": "from fake_adapter import FakeAdapter\n",
    "__main__.py": (
        "from padiff_worker.main import run\n"
        "from padiff_worker_fake.adapter import FakeAdapter\n"
        "raise SystemExit(run(FakeAdapter()))\n"
    ),
}
MODELS = """
import fake  # noqa: E402

def net(shift=0.0):
    model = fake.Sequential(fake.Linear(4, 3), fake.ReLU(), fake.Linear(3, 2))
    plain = model.forward
    model.forward = lambda x: plain(x) + shift
    return model
"""
BATCH = np.ones((2, 4), np.float32)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the fake a known framework; returns a folder with models of it."""
    folder, models = tmp_path / "padiff_worker_fake", tmp_path / "models"
    folder.mkdir()
    models.mkdir()
    for name, text in FOLDER.items():
        (folder / name).write_text(text)
    (models / "net_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(FAKES))))
    row = Framework(
        name="fake",
        title="Fake",
        distribution="fake",
        model="fake.Layer",
        state_suffix=".pt",
        host_tensor=lambda tensor: HostTensor.from_array(tensor.array),
        wants_gradient=lambda tensor: bool(tensor.requires_grad),
    )
    monkeypatch.setitem(FRAMEWORKS, "fake", row)
    return models


def spec(models: Path, **kwargs: float) -> ModelSpec:
    return ModelSpec("fake", "net_models:net", kwargs=kwargs, path=[models], python=sys.executable)


def test_its_models_are_compared_by_reference(known: Path) -> None:
    tensor = fake.Tensor(BATCH)
    assert auto_diff(spec(known), spec(known), (Batch(args=(tensor,)),) * 2)
    report = auto_diff(spec(known, shift=0.5), spec(known), (Batch(args=(tensor,)),) * 2)
    assert not report
    assert report.first_divergence is not None


def test_its_interpreter_is_examined(known: Path) -> None:
    (finding,) = check_interpreter(spec(known), os.environ, field="reference")
    assert f"fake {fake.__version__}" in finding.text
    assert "devices: cpu" in finding.text


def test_its_live_models_are_compared(known: Path) -> None:
    report = live.auto_diff(fake.Linear(4, 2), fake.Linear(4, 2), (Batch(args=(BATCH,)),) * 2)
    assert report
    with pytest.raises(InvalidRequestError, match=r"a paddle\.nn\.Layer, a fake\.Layer"):
        live.auto_diff(fake.Tensor(BATCH), fake.Linear(4, 2), (Batch(args=(BATCH,)),) * 2)

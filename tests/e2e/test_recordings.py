"""Recordings of real models: a Torch reference that does not run, against a Paddle candidate."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from padiff_client import ModelSpec, Report, assign_weight, auto_diff, record
from padiff_rpc.v1.words import NoteKind, Phase

MODELS = Path(__file__).resolve().parent / "models"
LOSS, OPTIMIZER = "{}_training:cross_entropy", "{}_training:adamw"
STEPS = 3


def spec(framework: str, python: str, **given: Any) -> ModelSpec:
    return ModelSpec(
        framework, f"{framework}_training:network", path=[MODELS], python=python, train=True, **given
    )


def kept(path: Path, model: ModelSpec, **given: Any) -> Path:
    """Returns the path of a recording of some training steps."""
    report = record(
        model,
        None,
        path,
        steps=STEPS,
        loss_fn=LOSS.format(model.framework),
        optimizer=OPTIMIZER.format(model.framework),
        **given,
    )
    assert report, str(report)
    return path


@pytest.fixture(scope="module")
def reference(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Torch model in train mode, over steps of AdamW, on the batches of a loader."""
    path = tmp_path_factory.mktemp("recordings") / "torch.padiff"
    return kept(path, spec("torch", torch_python, loader="torch_training:loader"))


@pytest.fixture(scope="module")
def compare(reference: Path, paddle_python: str) -> Callable[..., Report]:
    def against_recording(**given: Any) -> Report:
        return auto_diff(
            spec("paddle", paddle_python, **given),
            ModelSpec(recording=reference),
            steps=STEPS,
            loss_fn=(LOSS.format("paddle"), None),
            optimizer=(OPTIMIZER.format("paddle"), None),
        )

    return against_recording


def test_a_live_candidate_trains_in_lockstep_with_a_recorded_reference(
    compare: Callable[..., Report],
) -> None:
    report = compare()
    assert report, str(report)
    assert report.summary.has_local_errors
    assert {row.step for row in report.rows} == set(range(STEPS))
    assert NoteKind.RECORDED_FLOORS in {note.kind for note in report.summary.notes}


def test_a_fault_of_the_candidate_is_found_in_lockstep(compare: Callable[..., Report]) -> None:
    report = compare(kwargs={"fault": "epsilon"})
    first = report.first_divergence
    assert first is not None
    assert first.row.candidate is not None
    assert (first.row.step, first.row.phase, first.row.candidate.path) == (0, Phase.FORWARD, "block.2")


def test_two_recordings_are_compared_where_neither_framework_is(
    reference: Path, torch_python: str, paddle_python: str, tmp_path: Path
) -> None:
    weights = str(tmp_path / "same.pdparams")
    assert assign_weight(spec("paddle", paddle_python), spec("torch", torch_python), save=weights)

    def candidate(name: str, fault: str) -> Path:
        given = {"loader": "paddle_training:loader", "weights": weights, "kwargs": {"fault": fault}}
        return kept(tmp_path / f"{name}.padiff", spec("paddle", paddle_python, **given))

    found = {
        path.stem: auto_diff(ModelSpec(recording=path), ModelSpec(recording=reference), steps=STEPS)
        for path in (candidate("healthy", ""), candidate("faulty", "epsilon"))
    }
    assert found["healthy"], str(found["healthy"])
    assert str(found["healthy"]).splitlines()[0].endswith("judged freely")
    first = found["faulty"].first_divergence
    assert first is not None
    assert first.row.candidate is not None
    assert (first.row.step, first.row.candidate.path) == (0, "block.2")


def test_a_recording_says_what_is_in_it(reference: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "padiff_worker.recorded", str(reference), "--describe"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert "torch_training:network, train mode" in said
    assert "3, forward and backward" in said
    assert "measured" in said

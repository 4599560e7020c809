"""Lockstep across a real Torch and a real Paddle process: every fault where it is, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal((3, 5, 16)).astype(np.float32)


@pytest.fixture
def lockstep(service: Any) -> Compare:
    """Compares a model of `paddle_blocks` with its twin of `torch_blocks`, in the shared processes."""

    def run(
        name: str,
        x: np.ndarray = X,
        *,
        kwargs: Optional[dict[str, Any]] = None,
        train: bool = False,
        **options: Any,
    ) -> Report:
        layer = ModelSpec(
            "paddle", f"paddle_blocks:{name}", kwargs=kwargs or {}, worker=service.paddle, train=train
        )
        module = ModelSpec("torch", f"torch_blocks:{name}", worker=service.torch, train=train)
        given = Batch(args=(x,))
        return auto_diff(
            layer,
            module,
            (given, given),
            server=service.server,
            options=Options(**{"single_step": True, **options}),
        )

    return run


def faults(report: Report) -> list[tuple[str, str, str]]:
    """Path, kind and "between" of everything that fails."""
    return [(row.reference.path, row.kind.value, row.between) for row in report.faults if row.reference]


def assert_sound(report: Report) -> None:
    assert report, str(report)
    assert report.coverage.tensors_compared == report.coverage.tensors_total
    assert report.coverage.calls_compared == report.coverage.calls_total
    assert report.notes == ()


def test_sound_models_pass(lockstep: Compare) -> None:
    assert_sound(lockstep("blocks"))


def test_a09_an_error_between_two_layers_fails_at_their_parent_only(lockstep: Compare) -> None:
    report = lockstep("blocks", kwargs={"faults": {"1": "between"}}, diff_phase="forward")
    assert faults(report) == [("blocks.1", "input", "between blocks.1.up#0 and blocks.1.act#0")]
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.phase, first.kind) == ("blocks.1", Phase.FORWARD, CaptureKind.INPUT)
    assert "made by the code of blocks.1 (Block), between blocks.1.up and blocks.1.act:" in str(report)


def test_a10_a_layer_whose_output_is_off_fails_alone(lockstep: Compare) -> None:
    report = lockstep("blocks", kwargs={"faults": {"2": "louder"}}, diff_phase="forward")
    assert faults(report) == [("blocks.2.down", "output", "")]


def test_a20_a_wrong_epsilon_beside_a_gelu_is_located_at_its_layer_norm(lockstep: Compare) -> None:
    wrong = {"faults": {"1": "epsilon"}}
    free = {"single_step": False, "local_error": False}
    assert lockstep("blocks", kwargs=wrong, **free, diff_phase="forward"), "too small to be seen"
    assert faults(lockstep("blocks", kwargs=wrong, diff_phase="forward")) == [("blocks.1.norm", "output", "")]


@pytest.mark.parametrize("train", [False, True])
def test_a26_a_sub_layer_that_returns_a_tuple_passes(lockstep: Compare, train: bool) -> None:
    x = X.reshape(15, 16)
    assert_sound(lockstep("tuples", x, train=train))
    report = lockstep("tuples", x, kwargs={"factor": 1.5}, train=train, diff_phase="forward")
    assert faults(report) == [("", "input", "between head#0 and head#1")]


def test_three_independent_faults_are_all_named_and_nothing_else(lockstep: Compare) -> None:
    planted = {"0": "louder", "1": "between", "3": "epsilon"}
    report = lockstep("blocks", kwargs={"faults": planted}, diff_phase="forward")
    assert faults(report) == [
        ("blocks.0.down", "output", ""),
        ("blocks.1", "input", "between blocks.1.up#0 and blocks.1.act#0"),
        ("blocks.3.norm", "output", ""),
    ]
    text = str(report)
    for path in ("blocks.0.down", "blocks.1", "blocks.3.norm"):
        assert path in text


def test_forward_and_backward_faults_are_named_in_one_run(lockstep: Compare) -> None:
    planted = {"0": "gradient", "2": "between backward", "3": "epsilon"}
    report = lockstep("blocks", kwargs={"faults": planted})
    assert faults(report) == [
        ("blocks.3.norm", "output", ""),
        ("blocks.2", "output_gradient", "between blocks.2.up#0 and blocks.2.act#0"),
        ("blocks.0.act", "input_gradient", ""),
    ]


def test_backward_alone_judges_gradients_on_a_synchronised_forward(lockstep: Compare) -> None:
    report = lockstep("blocks", kwargs={"faults": {"0": "gradient", "1": "between"}}, diff_phase="backward")
    assert ("blocks.0.act", "input_gradient", "") in faults(report)
    assert {row.phase for row in report.faults} == {Phase.BACKWARD}


def test_a_gradient_fault_that_cancels_at_the_parameters_is_still_found(lockstep: Compare) -> None:
    assert_sound(lockstep("gated"))
    report = lockstep("gated", kwargs={"cancelling": True})
    assert faults(report) == [("gate", "input_gradient", ""), ("act", "input_gradient", "")]
    free = lockstep("gated", kwargs={"cancelling": True}, single_step=False)
    for gradients in of_parameters(report), of_parameters(free):
        assert len(gradients) == 4
        assert {row.verdict for row in gradients} <= {Verdict.MATCH, Verdict.WITHIN_TOLERANCE}


def of_parameters(report: Report) -> list[Row]:
    return [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]


@pytest.mark.parametrize("train", [False, True])
def test_gradients_of_resnet18_agree_in_lockstep(service: Any, train: bool) -> None:
    # Large enough for Torch's unbiased variance and Paddle's biased one to agree in every channel.
    size = 160 if train else 64
    images = np.random.default_rng(0).standard_normal((4, 3, size, size)).astype(np.float32)
    given = Batch(args=(images,))
    report = auto_diff(
        ModelSpec("paddle", "paddle_models:resnet18", worker=service.paddle, train=train),
        ModelSpec("torch", "torch_plain:resnet18", worker=service.torch, train=train),
        (given, given),
        server=service.server,
        options=Options(single_step=True),
    )
    gradients = of_parameters(report)
    assert report, str(report)
    assert len(gradients) == 62
    assert max(row.figures.relative_l2 for row in gradients if row.figures) <= 2e-5


RESNET = Path(__file__).resolve().parents[2] / "examples" / "resnet50"


@pytest.fixture
def resnet(torch_python: str, paddle_python: str) -> Compare:
    """Compares Torch's and Paddle's ResNet-50 in lockstep, on small images."""

    def run(*, fault: str = "", train: bool = False, **options: Any) -> Report:
        # Torch keeps the unbiased variance, Paddle the biased one: apart by more than is allowed where a
        # channel has few values.
        size = 128 if train else 64
        images = np.random.default_rng(0).standard_normal((4, 3, size, size)).astype(np.float32)
        layer = ModelSpec(
            "paddle",
            "paddle_model:build",
            kwargs={"classes": 10, "fault": fault},
            path=str(RESNET),
            python=paddle_python,
            train=train,
        )
        module = ModelSpec(
            "torch",
            "torch_model:build",
            kwargs={"classes": 10},
            path=str(RESNET),
            python=torch_python,
            train=train,
        )
        return auto_diff(
            layer, module, ({"x": images}, {"images": images}), options=Options(single_step=True, **options)
        )

    return run


@pytest.mark.parametrize("train", [False, True])
def test_gradients_of_resnet50_agree_in_lockstep(resnet: Compare, train: bool) -> None:
    report = resnet(train=train)
    gradients = of_parameters(report)
    assert report, str(report)
    assert len(gradients) == 161
    assert max(row.figures.relative_l2 for row in gradients if row.figures) <= 2e-5


def test_a_backward_fault_in_the_middle_of_resnet50_is_located(resnet: Compare) -> None:
    report = resnet(fault="gradient_times_3")
    # The block calls its one ReLU three times.
    assert faults(report) == [("stage2.1.activation", "input_gradient", "")] * 3
    first = report.first_divergence
    assert first is not None
    assert first.candidate is not None
    assert first.candidate.path == "layer2.1.relu"


def test_a_forward_fault_in_the_middle_of_resnet50_is_located_in_forward_and_backward(
    resnet: Compare,
) -> None:
    report = resnet(fault="norm_epsilon")
    assert {row.candidate.path for row in report.faults if row.candidate} == {"layer3.2.bn2"}

"""Training loops across a real Torch and a real Paddle process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from padiff_client import InvalidRequestError, ModelSpec, Options, Report, auto_diff, check_inputs
from padiff_rpc.v1.words import CaptureKind, DType, Pass, Phase

MODELS = Path(__file__).resolve().parent / "models"
LOSSES = ("paddle_training:cross_entropy", "torch_training:cross_entropy")


def spec(service: Any, framework: str, **given: Any) -> ModelSpec:
    for name in ("loader", "train_step"):
        if name in given:
            given[name] = f"{framework}_training:{given[name]}"
    return ModelSpec(
        framework,
        f"{framework}_training:network",
        worker=getattr(service, framework),
        train=True,
        **given,
    )


def compare(
    service: Any,
    layer: dict[str, Any],
    module: dict[str, Any],
    *,
    optimizers: tuple[str, str] = ("adamw", "adamw"),
    has_loss: bool = True,
    steps: int = 4,
    **options: Any,
) -> Report:
    return auto_diff(
        spec(service, "paddle", **layer),
        spec(service, "torch", **module),
        steps=steps,
        options=Options(**options),
        loss_fn=LOSSES if has_loss else None,
        optimizer=(f"paddle_training:{optimizers[0]}", f"torch_training:{optimizers[1]}"),
        server=service.server,
    )


def test_loaders_with_workers_accumulation_clipping_and_adamw(service: Any) -> None:
    loaders = {"loader": "loader_with_workers"}
    report = compare(service, loaders, loaders, accumulate=2, clip_norm=0.5, loss_scale=256)
    assert report, str(report)
    assert len({step.loss_reference for step in report.steps}) == 4
    assert {row.step for row in report.rows if row.kind is CaptureKind.TARGET} == {0, 1, 2, 3}
    judged = [row for row in report.rows if row.phase is Phase.GRADIENTS]
    assert {(row.step, row.pass_kind) for row in judged} == {(step, Pass.LOCKSTEP) for step in range(4)}
    assert {row.step for row in report.rows if row.phase is Phase.WEIGHTS} == {1, 3}


def test_recomputation_over_three_steps(service: Any) -> None:
    report = compare(
        service,
        {"loader": "loader", "kwargs": {"checkpointed": True}},
        {"loader": "loader", "kwargs": {"checkpointed": True}},
        steps=3,
    )
    assert report, str(report)
    inner = [row for row in report.rows if row.reference and row.reference.path == "block.0"]
    assert {row.step for row in inner if row.kind is CaptureKind.OUTPUT_GRADIENT} == {0, 1, 2}


def test_a_train_step_of_each_framework(service: Any) -> None:
    given = {"loader": "loader", "train_step": "train_step"}
    report = compare(service, given, given, has_loss=False, steps=3)
    assert report, str(report)
    assert report.coverage.losses_compared == 3
    assert {row.step for row in report.rows if row.phase is Phase.GRADIENTS} == {0, 1, 2}
    fault = compare(
        service,
        {**given, "train_step": "train_step_with_minimize", "kwargs": {"fault": "epsilon"}},
        {**given, "kwargs": {"checkpointed": True}},
        has_loss=False,
        steps=2,
    )
    first = fault.first_divergence
    assert first is not None, str(fault)
    assert (first.path, first.phase) == ("block.2", Phase.FORWARD)
    assert {row.phase for row in fault.rows} >= {Phase.BACKWARD, Phase.GRADIENTS, Phase.LOSS}


def test_paddles_own_clip_and_clip_norm_agree(service: Any) -> None:
    loaders = {"loader": "loader"}
    report = compare(service, loaders, loaders, optimizers=("sgd_that_clips", "sgd"), steps=2, clip_norm=0.5)
    assert report, str(report)
    unclipped = compare(service, loaders, loaders, optimizers=("sgd_that_clips", "sgd"), steps=1)
    first = unclipped.first_divergence
    assert first is not None
    assert first.phase is Phase.WEIGHTS


def test_two_loaders_are_compared_without_running_the_models(service: Any) -> None:
    reference = spec(service, "torch", loader="loader")
    same = spec(service, "paddle", loader="loader")
    assert check_inputs(same, reference, loss_fn=LOSSES, server=service.server)
    report = check_inputs(
        spec(service, "paddle", loader="shifted_loader"), reference, loss_fn=LOSSES, server=service.server
    )
    first = report.first_divergence
    assert first is not None
    assert first.worst is not None
    assert (first.step, first.kind, first.worst.index) == (2, CaptureKind.INPUT, (3, 3))


def test_paddle_on_the_cpu_has_no_autocast_and_says_so(service: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"candidate\.autocast: paddle has none on the CPU"):
        compare(service, {"loader": "loader", "autocast": "bfloat16"}, {"loader": "loader"})


def test_bfloat16_autocast_with_a_scaled_loss_in_torch(torch_python: str) -> None:
    def torch_spec() -> ModelSpec:
        return ModelSpec(
            "torch",
            "torch_training:network",
            python=torch_python,
            path=str(MODELS),
            train=True,
            loader="torch_training:loader",
            autocast="bfloat16",
        )

    report = auto_diff(
        torch_spec(),
        torch_spec(),
        steps=2,
        options={"loss_scale": 1024, "accumulate": 2},
        loss_fn=(LOSSES[1], LOSSES[1]),
        optimizer=("torch_training:sgd", "torch_training:sgd"),
    )
    assert report, str(report)
    dtypes = {
        row.reference.path: row.reference.spec.dtype
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT and row.reference and row.reference.spec
    }
    assert dtypes["stem"] is DType.BFLOAT16
    gradients = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    assert all(row.figures and row.figures.rms_reference < 1 for row in gradients)

"""Torch's and Paddle's optimizers over 20 steps: they agree, or the report says what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.records import OptimizerDifference
from padiff_rpc.v1.words import CaptureKind, Pass, Phase

Compare = Callable[..., Report]
STEPS = 20
PARAMETERS = ("first.weight", "first.bias", "last.weight", "last.bias")


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares the two networks, in the shared processes, under optimizers of these names."""

    def run(
        candidate: str,
        reference: Optional[str] = None,
        *,
        steps: int = STEPS,
        frozen: tuple[bool, bool] = (False, False),
        dtype: str = "float32",
        **options: Any,
    ) -> Report:
        numbers = np.random.default_rng(0)
        x, target = (numbers.standard_normal((16, size)).astype(dtype) for size in (6, 3))
        layer, module = (
            ModelSpec(
                name,
                f"{name}_optimizers:net",
                kwargs={"frozen": is_frozen},
                worker=getattr(service, name),
                train=True,
                dtype=dtype,
            )
            for name, is_frozen in zip(("paddle", "torch"), frozen)
        )
        given = Batch(args=(x,), target=target)
        return auto_diff(
            layer,
            module,
            (given, given),
            steps=steps,
            loss_fn=("paddle_optimizers:distance", "torch_optimizers:distance"),
            optimizer=(f"paddle_optimizers:{candidate}", f"torch_optimizers:{reference or candidate}"),
            server=service.server,
            options=Options(**options),
        )

    return run


def states(report: Report, step: int) -> set[str]:
    return {
        row.reference.slot.rpartition(".")[2]
        for row in report.rows
        if row.kind is CaptureKind.OPTIMIZER_STATE and row.step == step and row.reference is not None
    }


@pytest.mark.parametrize(
    ("optimizer", "kept"),
    [
        ("sgd", set()),
        ("momentum", {"momentum"}),
        ("nesterov", {"momentum"}),
        ("adam", {"first_moment", "second_moment", "step"}),
        ("amsgrad", {"first_moment", "second_moment", "largest_second_moment", "step"}),
        ("adamw", {"first_moment", "second_moment", "step"}),
        ("adagrad", {"sum_of_squares"}),
        ("adadelta", {"mean_square", "mean_square_update"}),
        ("nadam", {"first_moment", "second_moment", "step"}),
        ("radam", {"first_moment", "second_moment", "step"}),
        ("lamb", {"first_moment", "second_moment", "step"}),
    ],
)
def test_twenty_steps_agree_with_all_state(compare: Compare, optimizer: str, kept: set[str]) -> None:
    report = compare(optimizer)
    assert report, str(report)
    assert report.optimizer == ()
    assert len(report.steps) == STEPS
    for step in (0, STEPS - 1):
        assert states(report, step) == {"learning_rate", *kept}
    worst = max(
        row.figures.relative_l2
        for row in report.rows
        if row.figures is not None and row.kind is CaptureKind.OPTIMIZER_STATE
    )
    assert worst < 5e-5


@pytest.mark.parametrize(
    ("optimizer", "reference", "candidate"),
    [
        ("rmsprop", "added to the root", "added under the root"),
        ("adamax", "added to the gradient's magnitude", "added to the norm as it decays"),
    ],
)
def test_where_an_epsilon_goes_elsewhere_the_report_says_so(
    compare: Compare, optimizer: str, reference: str, candidate: str
) -> None:
    report = compare(optimizer)
    assert not report
    found = OptimizerDifference(name="epsilon", reference=reference, candidate=candidate, convention=True)
    assert found in report.optimizer
    first = report.first_divergence
    assert first is not None
    assert first.phase in (Phase.OPTIMIZER, Phase.WEIGHTS)
    assert f"optimizer  epsilon is {reference} in the reference, {candidate} in the candidate" in str(first)


def test_with_an_epsilon_that_does_not_matter_rmsprop_agrees(compare: Compare) -> None:
    report = compare("centered_rmsprop")
    assert report, str(report)
    assert [one.name for one in report.optimizer] == ["epsilon"]
    assert states(report, STEPS - 1) == {"learning_rate", "mean_square", "mean_gradient"}


def test_settings_that_paddle_rounds_are_told_where_the_parameters_are_float64(compare: Compare) -> None:
    assert compare("adam", dtype="float64", steps=3)
    report = compare("momentum", dtype="float64")
    assert report, str(report)
    [difference] = report.optimizer
    assert difference.convention
    assert (difference.name, difference.candidate) == ("precision of settings", "rounded to float32")


def test_another_epsilon_is_told_where_the_weights_part(compare: Compare) -> None:
    report = compare("smaller_epsilon", "adam")
    assert not report
    assert report.optimizer == (OptimizerDifference(name="epsilon", reference="0.001", candidate="1e-08"),)
    first = report.first_divergence
    assert first is not None
    assert first.phase is Phase.WEIGHTS
    assert "optimizer  epsilon is 0.001 in the reference, 1e-08 in the candidate" in str(first)


def test_decay_in_the_gradient_is_told_from_decay_of_the_parameter(compare: Compare) -> None:
    report = compare("adam", "adamw", steps=2)
    assert not report
    assert ("weight_decay", True) in [(one.name, one.convention) for one in report.optimizer]


def test_clipping_inside_an_optimizer_is_told(compare: Compare) -> None:
    report = compare("clipping", "sgd", steps=2)
    assert not report
    assert report.optimizer == (
        OptimizerDifference(name="gradient_clipping", reference="none", candidate="all to the norm 0.01"),
    )


@pytest.mark.parametrize("candidate", ["groups", "decay_by_name"])
def test_groups_with_rates_and_decays_of_their_own_agree(compare: Compare, candidate: str) -> None:
    report = compare(candidate, "groups", steps=5)
    assert report, str(report)
    assert report.optimizer == ()
    rates = [
        row.figures.mean_reference
        for row in report.rows
        if row.figures and row.reference and row.reference.slot.endswith("learning_rate") and row.step == 0
    ]
    assert rates == [0.04, 0.02]


def test_a_parameter_in_the_wrong_group_is_named(compare: Compare) -> None:
    report = compare("groups_that_decay_a_bias", "groups", steps=5)
    assert not report
    assert report.optimizer == (
        OptimizerDifference(name="weight_decay", reference="0.0", candidate="0.1", parameters=("last.bias",)),
    )


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_schedules_are_stepped_alike_behind_every_step(compare: Compare, schedule: str) -> None:
    report = compare(schedule)
    assert report, str(report)
    rates = [
        row.figures.mean_reference
        for row in report.rows
        if row.figures and row.reference and row.reference.slot == "learning_rate"
    ]
    assert len(rates) == STEPS
    assert len(set(rates)) > STEPS // 3


def test_a_schedule_on_one_side_alone_is_found(compare: Compare) -> None:
    report = compare("adamw", "cosine")
    first = report.first_divergence
    assert first is not None
    assert (first.step, first.phase) == (0, Phase.OPTIMIZER)
    assert "optimizer state learning_rate" in str(report)


def test_frozen_parameters_stay_as_they_are_on_both_sides(compare: Compare) -> None:
    report = compare("adamw", steps=3, frozen=(True, True))
    assert report, str(report)
    assert not any(
        row.reference and row.reference.path == "first" and row.kind is CaptureKind.OPTIMIZER_STATE
        for row in report.rows
    )


@pytest.mark.parametrize("frozen", [(True, False), (False, True)])
def test_parameters_that_one_side_alone_trains_fail_and_it_is_said(
    compare: Compare, frozen: tuple[bool, bool]
) -> None:
    report = compare("adamw", steps=3, frozen=frozen)
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.kind) == ("first", CaptureKind.PARAMETER_GRADIENT)
    assert f"it is frozen on the {'candidate' if frozen[0] else 'reference'}" in str(first)


def test_each_local_step_starts_from_the_references_state(compare: Compare) -> None:
    report = compare("adamw", steps=4, local_error=True)
    assert report, str(report)
    for kind in (Pass.LOCKSTEP, Pass.FREE):
        state = [
            row
            for row in report.all_rows
            if row.kind is CaptureKind.OPTIMIZER_STATE and row.pass_kind is kind and row.step == 3
        ]
        assert len(state) == 2 + 2 * len(PARAMETERS)

"""Torch's and Paddle's optimizers over 20 steps: they agree, or the report says what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.records import OptimizerDifference
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Pass, Phase, Verdict

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
        ("rprop", {"last_gradient", "step_size"}),
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
    ("optimizer", "word", "reference", "candidate"),
    [
        ("rmsprop", "epsilon", "added to the root", "added under the root"),
        (
            "rmsprop_with_momentum",
            "momentum",
            "of gradients, times the learning rate when used",
            "of steps, with the learning rate of their time",
        ),
        ("adamax", "epsilon", "added to the gradient's magnitude", "added to the norm as it decays"),
    ],
)
def test_steps_by_two_formulas_agree_by_one_of_them_and_the_report_says_so(
    compare: Compare, optimizer: str, word: str, reference: str, candidate: str
) -> None:
    report = compare(optimizer)
    assert report, str(report)
    found = OptimizerDifference(name=word, reference=reference, candidate=candidate, convention=True)
    assert found in report.optimizer
    assert f"optimizer: {word} is {reference} in the reference, {candidate} in the candidate" in str(report)
    weights = [row for row in report.rows if row.kind is CaptureKind.PARAMETER and row.phase is Phase.WEIGHTS]
    assert len(weights) == STEPS * len(PARAMETERS)
    assert all(Cause.STEP_CONVENTION in [one.cause for one in row.reasons] for row in weights)
    assert NoteKind.PARTED_BY_CONVENTION in [note.kind for note in report.summary.notes]


@pytest.mark.parametrize(
    ("candidate", "reference", "phase", "state"),
    [
        ("rmsprop_of_another_epsilon", "rmsprop", Phase.WEIGHTS, ""),
        ("rmsprop_with_another_momentum", "rmsprop_with_momentum", Phase.OPTIMIZER, "momentum"),
        ("adamax_of_another_epsilon", "adamax", Phase.OPTIMIZER, "infinity_norm"),
    ],
)
def test_steps_off_both_formulas_fail(
    compare: Compare, candidate: str, reference: str, phase: Phase, state: str
) -> None:
    first = compare(candidate, reference, steps=2).first_divergence
    assert first is not None
    assert (first.phase, first.verdict) == (phase, Verdict.MISMATCH)
    assert first.reference is not None
    assert first.reference.slot.endswith(state)


def test_two_algorithms_of_one_name_fail_and_the_report_says_so(compare: Compare) -> None:
    report = compare("asgd", steps=2)
    assert not report
    assert "algorithm is averaged weights in the reference, averaged gradients in the candidate" in str(
        report
    )


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

"""Local beside accumulated errors, across a real Torch and a real Paddle process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Pass, Phase

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal((3, 5, 16)).astype(np.float32)
EPSILON = 2.0**-23


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `blocks` of Paddle with their twin of Torch, in the shared processes."""

    def run(
        *,
        kwargs: Optional[dict[str, Any]] = None,
        steps: int = 1,
        optimizer: str = "paddle_blocks:adamw",
        **options: Any,
    ) -> Report:
        given = Batch(args=(X,))
        return auto_diff(
            ModelSpec(
                "paddle", "paddle_blocks:blocks", kwargs=kwargs or {}, worker=service.paddle, train=True
            ),
            ModelSpec("torch", "torch_blocks:blocks", worker=service.torch, train=True),
            (given, given),
            server=service.server,
            steps=steps,
            optimizer=(optimizer, "torch_blocks:adamw") if steps > 1 else None,
            options=Options(local_error=True, **options),
        )

    return run


def test_sound_models_pass_over_three_adamw_steps_with_both_errors(compare: Compare) -> None:
    report = compare(steps=3)
    assert report, str(report)
    assert [step.passed for step in report.steps] == [True] * 3
    assert report.coverage.tensors_compared == report.coverage.tensors_total
    assert {(one.meaning, one.row.step) for one in report.places} == {("agrees", step) for step in range(3)}
    kinds = {one.row.kind for one in report.places if one.local is not None and one.accumulated is not None}
    assert {CaptureKind.OUTPUT, CaptureKind.PARAMETER, CaptureKind.OPTIMIZER_STATE} <= kinds
    local = [
        row.figures.relative_l2
        for row in report.rows
        if row.pass_kind is Pass.LOCKSTEP and row.phase is Phase.FORWARD and row.figures
    ]
    assert max(local) < 7 * EPSILON


def test_a_fault_that_the_free_run_cannot_show_is_one_locally(compare: Compare) -> None:
    report = compare(kwargs={"faults": {"1": "epsilon"}}, diff_phase="forward")
    [fault] = report.faults
    assert (fault.reference.path, fault.pass_kind) == ("blocks.1.norm", Pass.LOCKSTEP)
    [place] = [one for one in report.places if one.meaning == "a fault"]
    assert place.accumulated is not None
    assert place.accumulated.figures is not None
    assert place.accumulated.figures.relative_l2 < 1e-4
    assert "blocks.1.norm" in str(report)


def test_what_a_fault_leads_to_is_told_from_the_fault(compare: Compare) -> None:
    report = compare(kwargs={"faults": {"2": "louder"}}, diff_phase="forward")
    assert [row.reference.path for row in report.faults if row.reference] == ["blocks.2.down"]
    behind = {one.row.reference.path for one in report.places if one.meaning == "accumulation"}
    assert {"blocks.3.norm", "blocks.3.up", "head"} <= behind
    assert not behind & {"blocks.0.down", "blocks.1.norm"}


def test_a_wrong_learning_rate_is_a_fault_of_every_optimizers_step_and_of_nothing_else(
    compare: Compare,
) -> None:
    report = compare(steps=3, optimizer="paddle_blocks:fast_adamw", keep_going=True)
    assert {row.phase for row in report.faults} == {Phase.OPTIMIZER, Phase.WEIGHTS}
    assert {row.step for row in report.faults} == {0, 1, 2}
    drifted = {one.row.phase for one in report.places if one.meaning == "accumulation"}
    assert Phase.FORWARD in drifted


def test_behind_a_first_step_that_is_the_trace_a_fault_too_small_for_it_is_located(compare: Compare) -> None:
    report = compare(kwargs={"faults": {"1": "epsilon"}}, steps=2, trace="first_step")
    assert "; step 0 was judged freely\n" in str(report)
    assert [step.passed for step in report.steps] == [True, False]
    first = report.faults[0]
    assert (first.step, first.reference.path, first.pass_kind) == (1, "blocks.1.norm", Pass.LOCKSTEP)
    outputs = [row for row in report.faults if row.kind is CaptureKind.OUTPUT]
    assert [row.reference.path for row in outputs if row.reference] == ["blocks.1.norm"]

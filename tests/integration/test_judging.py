"""Faults that a bound made for healthy pairs must not let through, over real processes.

What bounds of a free run explain is tried in free runs alone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from processes import Service
from test_coordinator import compare, model

from padiff_client.report import Report
from padiff_client.tensor_leaves import Input
from padiff_rpc.v1.records import Model, Omitted, Row
from padiff_rpc.v1.words import CaptureKind, Omission, OmittedKind, Phase, Verdict

free = partial(compare, local_error=False)


def own(name: str, **given: object) -> Model:
    if "optimizer" in given:
        given["optimizer"] = f"judging_models:{given['optimizer']}"
    return model(f"judging_models:{name}", **given)


def rows_of(report: Report, phase: Phase, path: str | None = None) -> list[Row]:
    return [
        row
        for row in report.rows
        if row.phase is phase and row.reference and (path is None or row.reference.path == path)
    ]


@pytest.mark.parametrize("optimizer", ["standing", "decaying"])
def test_gradients_that_are_a_little_off_excuse_no_other_optimizer(service: Service, optimizer: str) -> None:
    report = free(service, own("Off", optimizer="sgd"), own("Off", factor=1.02, optimizer=optimizer), steps=1)
    assert all(row.verdict is Verdict.WITHIN_TOLERANCE for row in rows_of(report, Phase.GRADIENTS))
    assert Verdict.MISMATCH in {row.verdict for row in rows_of(report, Phase.WEIGHTS)}
    assert not report


def test_gradients_that_are_a_little_off_explain_weights_that_are(service: Service) -> None:
    report = free(service, own("Off", optimizer="sgd"), own("Off", factor=1.002, optimizer="sgd"), steps=1)
    assert report, report.summary.first_divergence


@pytest.mark.parametrize(
    ("optimizer", "verdict"),
    [("spoiling_nan", Verdict.NONFINITE), ("spoiling_five", Verdict.MISMATCH)],
)
def test_gradients_that_are_a_little_off_excuse_no_more_than_the_steps(
    service: Service, optimizer: str, verdict: Verdict
) -> None:
    report = free(service, own("Off", optimizer="sgd"), own("Off", factor=1.02, optimizer=optimizer), steps=1)
    weight = next(row for row in rows_of(report, Phase.WEIGHTS, "last") if row.reference.slot == "weight")
    assert weight.verdict is verdict
    assert not report


def test_a_gradient_far_below_all_others_is_compared(service: Service) -> None:
    report = free(service, own("Faint"), own("Faint", seed=2))
    assert {row.verdict for row in rows_of(report, Phase.GRADIENTS, "faint")} == {Verdict.MISMATCH}


@pytest.mark.parametrize("mask", [float(np.finfo(np.float32).min), -1e9, -1e4])
def test_a_mask_hides_no_other_value(service: Service, mask: float) -> None:
    healthy = compare(service, own("Masked", mask=mask), own("Masked", mask=mask), diff_phase="forward")
    assert healthy
    wrong = compare(
        service, own("Masked", mask=mask), own("Masked", wrong=1.1, mask=mask), diff_phase="forward"
    )
    outputs = [row for row in rows_of(wrong, Phase.FORWARD, "") if row.kind is CaptureKind.OUTPUT]
    assert {row.verdict for row in outputs} == {Verdict.MISMATCH}


def test_a_loss_that_the_model_returns_does_not_drown_the_gradients_behind_it(service: Service) -> None:
    x = np.random.default_rng(0).normal(size=(100_000, 4)).astype(np.float32)
    report = compare(
        service,
        own("OwnMean", loss="judging_models:itself"),
        own("OwnMean", loss="judging_models:itself", fault=3.0),
        x=Input(x, requires_grad=True),
    )
    assert Verdict.MISMATCH in {row.verdict for row in rows_of(report, Phase.BACKWARD)}
    assert not report


def test_a_pass_without_any_backward_says_so_unless_none_was_asked_for(service: Service) -> None:
    report = compare(service, own("Frozen"), own("Frozen"))
    assert report, report.summary.first_divergence
    assert report.omitted == (Omitted(what=OmittedKind.GRADIENT, omission=Omission.NO_BACKWARD),)
    assert str(report).startswith("PASS, but no gradients were compared: ")
    forward = compare(service, own("Frozen"), own("Frozen"), diff_phase="forward")
    assert forward
    assert forward.omitted == ()

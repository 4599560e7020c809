"""A Torch and a Paddle router that decide otherwise where scores are equal; what is wrong beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff, render
from padiff_rpc.v1.words import CaptureKind, Cause, Pass, Phase

X = np.random.default_rng(0).standard_normal((40, 8), dtype=np.float32)


def compare(service: Any, **given: Any) -> Report:
    reference = ModelSpec("torch", "torch_ties:Mixture", worker=service.torch)
    candidate = ModelSpec("paddle", "paddle_ties:Mixture", kwargs=given, worker=service.paddle)
    batches = (Batch(args=(X,)),)
    return auto_diff(candidate, reference, (batches, batches), server=service.server)


def test_experts_of_equal_scores_may_be_others_forward_and_backward(service: Any) -> None:
    report = compare(service)
    assert report, render.text(report)
    tied = {
        (row.phase, row.kind, row.candidate.slot)
        for row in report.rows
        for reason in row.reasons
        if reason.cause is Cause.TIE and row.candidate is not None and row.candidate.path == "route"
    }
    assert {
        (Phase.FORWARD, CaptureKind.OUTPUT, "0"),
        (Phase.FORWARD, CaptureKind.OUTPUT, "1"),
        (Phase.BACKWARD, CaptureKind.INPUT_GRADIENT, "0"),
        (Phase.GRADIENTS, CaptureKind.PARAMETER_GRADIENT, "experts"),
    } <= tied, render.text(report)


@pytest.mark.parametrize("fault", [{"shift": 1}, {"factor": 1.00001}])
def test_what_is_wrong_beside_equal_scores_fails_there(service: Any, fault: dict[str, Any]) -> None:
    first = compare(service, **fault).first_divergence
    assert first is not None
    assert (first.row.pass_kind, first.row.phase) == (Pass.LOCKSTEP, Phase.FORWARD)
    assert first.row.candidate is not None
    assert first.row.candidate.path == "route"

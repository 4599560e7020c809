"""Tensors between the layers that both models mark by one name, whatever functions made them.

The models are `Marked` of `models/torch_functions.py` and `models/paddle_functions.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import Phase, Verdict

MARKS = {"mark scores", "mark weights", "mark mixed"}


def compared(service: Any, fault: str, **options: Any) -> Report:
    value = np.random.default_rng(0).standard_normal((2, 5, 8), dtype=np.float32)
    return auto_diff(
        ModelSpec("paddle", "paddle_functions:Marked", kwargs={"fault": fault}, worker=service.paddle),
        ModelSpec("torch", "torch_functions:Marked", worker=service.torch),
        (Batch(args=(value,)),) * 2,
        server=service.server,
        options=options,
    )


def passed(report: Report, phase: Phase) -> set[str]:
    good = (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)
    return {
        row.candidate.path
        for row in report.rows
        if row.phase is phase and row.candidate and row.candidate.path in MARKS and row.verdict in good
    }


def test_a_healthy_port_agrees_at_its_marks_forward_and_backward(service: Any) -> None:
    report = compared(service, "")
    assert report, str(report)
    assert passed(report, Phase.FORWARD) == passed(report, Phase.BACKWARD) == MARKS


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"detail": "functions"}])
def test_a_fault_between_two_marks_is_told_there_with_its_function(
    service: Any, options: dict[str, Any]
) -> None:
    report = compared(service, "scale", **options)
    assert "between mark scores and mark weights" in str(report).splitlines()[0]
    assert report.summary.troubles == ()
    [found] = report.findings
    assert found.mark == "weights"
    assert found.candidate_call is not None
    assert "0.4 if" in found.candidate_call.source.text


def test_a_gradient_that_ends_between_two_marks_is_told_there(service: Any) -> None:
    report = compared(service, "detached")
    assert not report
    assert passed(report, Phase.FORWARD) == MARKS
    [found] = report.findings
    assert found.mark == "weights"
    assert "the candidate's gradient ends at `detach()`" in str(report)

"""Experts that are layers of their own on one side, and in one tensor on the other; Torch is the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Phase

X = np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
FUSED = pytest.mark.parametrize("fused_here", [True, False], ids=["torch fused", "paddle fused"])


def compare(service: Any, fused_here: bool, size: int = 6, fault: str = "") -> Report:
    layer = ModelSpec(
        "paddle",
        "paddle_experts:mixture",
        kwargs={"fused": not fused_here, "size": size, "fault": fault},
        worker=service.paddle,
        train=True,
    )
    module = ModelSpec(
        "torch",
        "torch_experts:mixture",
        kwargs={"fused": fused_here, "size": size},
        worker=service.torch,
        train=True,
    )
    batch = Batch(args=(X,))
    optimizer = ("paddle_experts:adam", "torch_experts:adam")
    return auto_diff(layer, module, (batch, batch), server=service.server, steps=2, optimizer=optimizer)


@FUSED
@pytest.mark.parametrize("size", [6, 10], ids=["oblong", "square"])
def test_a_healthy_port_passes_with_every_expert_compared(service: Any, fused_here: bool, size: int) -> None:
    report = compare(service, fused_here, size)
    assert report, str(report)
    gradients = {
        row.candidate.slot if not fused_here else row.candidate.path
        for row in report.rows
        if row.kind is CaptureKind.PARAMETER_GRADIENT and row.candidate and row.figures
    }
    wanted = (
        {f"mixture.experts.{n}.{name}" for n in range(3) for name in ("gate", "up", "down")}
        if fused_here
        else {"gate_up_proj", "down_proj"}
    )
    assert wanted <= gradients


@FUSED
def test_experts_in_another_order_fail_where_they_are_mixed(service: Any, fused_here: bool) -> None:
    report = compare(service, fused_here, fault="order")
    assert not report
    found = report.first_divergence
    assert found is not None
    assert found.row.candidate is not None
    assert (found.row.phase, found.row.candidate.path) == (Phase.FORWARD, "mixture")

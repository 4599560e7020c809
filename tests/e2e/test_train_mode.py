"""Image models in train mode, with gradients, steps of Adam and no option given: sound, and with one fault.

Their norms average few values of a channel; what rounding does to those, no table of bounds tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.words import CaptureKind, Cause, Phase

Compare = Callable[..., Report]
REFERENCES = {
    "resnet50": "torch_model:build",
    "mobilenet_v2": "torch_mobile:mobilenet_v2",
    "shufflenet_v2_x0_5": "torch_shuffle:shufflenet_v2",
    "mobilenet_v3_small": "torch_rounding:MobileNetV3",
}


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(name: str, tripled: Optional[str] = None, *, batch: int = 2, steps: int = 1) -> Report:
        drawn = np.random.default_rng(0)
        batches = [
            Batch(args=(drawn.standard_normal((batch, 3, 64, 64), dtype=np.float32),)) for _ in range(steps)
        ]
        kwargs = {"name": name, "tripled": tripled}
        classes = {} if name.startswith("mobilenet_v3") else {"classes": 10}
        return auto_diff(
            ModelSpec("paddle", "paddle_trained:build", kwargs=kwargs, worker=service.paddle, train=True),
            ModelSpec("torch", REFERENCES[name], kwargs=classes, worker=service.torch, train=True),
            (batches, batches),
            steps=steps,
            optimizer=("paddle_trained:adam", "torch_rounding:slow_adam"),
            server=service.server,
        )

    return run


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "shufflenet_v2_x0_5"])
def test_a_network_agrees_step_after_step(compare: Compare, name: str) -> None:
    report = compare(name, steps=3)
    assert str(report).startswith("PASS: the models agree\n"), str(report)
    assert report.omitted == ()
    assert [one.passed for one in report.steps] == [True] * 3
    kinds = {row.kind for row in report.rows if row.step == 2}
    assert {CaptureKind.PARAMETER_GRADIENT, CaptureKind.OPTIMIZER_STATE, CaptureKind.BUFFER} <= kinds
    assert Cause.VARIANCE_CONVENTION in {one.cause for row in report.rows for one in row.reasons}


@pytest.mark.parametrize(
    ("name", "tripled", "places"),
    [
        ("mobilenet_v2", "features.9.conv.1.0", {"features.9.conv.1.1"}),
        ("mobilenet_v3_small", "blocks.5.bottleneck_conv.2", {"blocks.5.mid_se.avgpool", "blocks.5.mid_se"}),
    ],
)
def test_a_gradient_three_times_too_large_is_located(
    compare: Compare, name: str, tripled: str, places: set[str]
) -> None:
    report = compare(name, tripled, batch=4)
    first = report.first_divergence
    assert first is not None
    assert first.candidate is not None
    assert (first.phase, first.candidate.path in places) == (Phase.BACKWARD, True), str(report)
    assert {row.candidate.path for row in report.rows if fails(row) and row.candidate} <= {*places, tripled}

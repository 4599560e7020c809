"""Weights that the candidate keeps otherwise: axes in another order, users' rules, parametrised layers.

Torch is the reference. The models are `models/torch_weights.py` and `models/paddle_weights.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, LayerMap, ModelSpec, Report, auto_diff
from padiff_rpc.results import Row
from padiff_rpc.words import CaptureKind, Phase

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
TOKENS = np.random.default_rng(1).standard_normal((2, 5, 8)).astype(np.float32)
ADAM = {"optimizer": ("paddle_weights:adam", "torch_weights:adam"), "steps": 2}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_weights:name` with `torch_weights:name`; `fault` and `kwargs` go to the models."""

    def run(
        name: str, x: np.ndarray, fault: str = "", kwargs: Optional[dict[str, Any]] = None, **rest: Any
    ) -> Report:
        train = rest.pop("train", False)
        torch, paddle = dict(kwargs or {}), {**(kwargs or {}), **({"fault": fault} if fault else {})}
        layer = ModelSpec(
            "paddle", f"paddle_weights:{name}", kwargs=paddle, worker=service.paddle, train=train
        )
        module = ModelSpec("torch", f"torch_weights:{name}", kwargs=torch, worker=service.torch, train=train)
        batch = Batch(args=(x,))
        return auto_diff(layer, module, (batch, batch), server=service.server, **rest)

    return run


def rule(name: str) -> LayerMap:
    return LayerMap().special_init(("", ""), f"paddle_weights:{name}")


def gradients(report: Report) -> list[Row]:
    return [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]


def compared(report: Report) -> set[str]:
    """Returns the parameters whose gradients were held against the reference's."""
    return {row.candidate.slot for row in gradients(report) if row.candidate and row.figures}


def first(report: Report) -> tuple[Phase, str]:
    found = report.first_divergence
    assert found is not None, str(report)
    assert found.row.candidate is not None
    return found.row.phase, found.row.candidate.slot


RULES = [None, "turned"]


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"local_error": True}], ids=str)
@pytest.mark.parametrize("by", RULES, ids=["found", "by a rule"])
def test_axes_in_another_order(compare: Compare, by: Optional[str], options: dict[str, Any]) -> None:
    given = {} if by is None else {"layer_map": rule(by)}
    rest = {} if options.get("single_step") else ADAM
    report = compare("experts", X, options=options, **given, **rest)
    assert report, str(report)
    assert compared(report) == {"weight", "bias", "up", "down", "out"}
    assert report.coverage.tensors_compared == report.coverage.tensors_total
    if rest:
        state = [row for row in report.rows if row.phase is Phase.OPTIMIZER and row.rule]
        assert any("axes" in row.rule or row.rule.endswith("turned") for row in state)


@pytest.mark.parametrize("by", RULES, ids=["found", "by a rule"])
@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("gradient", (Phase.GRADIENTS, "up")),
        ("untrained", (Phase.GRADIENTS, "up")),
        ("order", (Phase.FORWARD, "0")),
    ],
)
def test_faults_behind_another_order(
    compare: Compare, by: Optional[str], fault: str, where: tuple[Phase, str]
) -> None:
    report = compare("experts", X, fault=fault, **({} if by is None else {"layer_map": rule(by)}))
    assert not report
    assert first(report) == where


def test_a_rule_that_turns_nothing_fails_in_forward(compare: Compare) -> None:
    report = compare("experts", X, layer_map=rule("wrongly_turned"))
    assert first(report) == (Phase.FORWARD, "0")


def test_what_one_output_shows_is_tried_together(compare: Compare) -> None:
    report = compare("heads", TOKENS)
    assert report, str(report)
    rules = {one.name: one.rule for one in report.weights if one.path == "3" and one.side == "reference"}
    assert rules == {"q": "transpose", "k": "identity", "v": "identity", "o": "transpose"}


def test_what_nothing_tells_is_reported(compare: Compare) -> None:
    report = compare("flat", X)
    [note] = [note for note in report.notes if note.startswith("orientation: 'up'")]
    assert note.endswith("they cannot be told apart, so say it by layer_map.special_init")

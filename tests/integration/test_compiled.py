"""Models that run unseen inside, across real processes, over the NumPy fake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, Phase

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
SIDES = ("reference", "candidate")


def compare(
    service: Service, name: str, reference: dict[str, Any], candidate: dict[str, Any], **options: Any
) -> Report:
    batches = Batches(([{"x": X}] * 2, [{"x": X}] * 2))
    models = [
        model(f"compiled_models:{name}", optimizer="compiled_models:sgd", **given)
        for given in (reference, candidate)
    ]
    return compare_on(service, *models, batches, Options(**options), steps=2)


def note(side: str, what: str) -> str:
    return (
        f"compiled, exported or scripted on the {side}: {what}; compared as a unit, what runs inside is not "
        "seen"
    )


@pytest.mark.parametrize(
    "options", [{}, {"single_step": True}, {"local_error": True}, {"trace": "first_step"}]
)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "what"), [("whole", "the whole model"), ("Model", "inner")])
def test_is_a_unit_with_its_weights_and_gradients_on_either_side(
    service: Service, name: str, what: str, side: str, options: dict[str, Any]
) -> None:
    given: dict[str, dict[str, Any]] = {one: {"compiled": one == side} for one in SIDES}
    report = compare(service, name, **given, **options)
    assert report, str(report)
    assert note(side, what) in report.notes
    assert not report.unmatched
    gradients = [row for row in report.all_rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    steps = 1 if options.get("single_step") else 2
    weights = 6 if name == "whole" else 10
    assert len([row for row in gradients if not row.twin or row.pass_kind == "free"]) == weights * steps


def test_two_compiled_ones_are_a_unit_each(service: Service) -> None:
    report = compare(service, "Model", {"compiled": True}, {"compiled": True})
    assert report, str(report)
    assert {note(side, "inner") for side in SIDES} <= set(report.notes)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "path"), [("whole", ""), ("Model", "inner")])
def test_a_fault_inside_is_the_units(service: Service, name: str, path: str, side: str) -> None:
    given: dict[str, dict[str, Any]] = {one: {"compiled": one == side} for one in SIDES}
    given["candidate"]["factor"] = 1.5
    report = compare(service, name, **given)
    assert report.first_divergence is not None
    assert (report.first_divergence.row.phase, report.first_divergence.path) == (Phase.FORWARD, path)


def test_a_weight_inside_that_is_not_trained_is_found(service: Service) -> None:
    report = compare(service, "Model", {}, {"compiled": True, "frozen": True})
    assert report.first_divergence is not None
    assert report.first_divergence.row.phase is Phase.GRADIENTS
    assert report.first_divergence.path == "inner.3"

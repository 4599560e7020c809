"""One layer called three times is compared, call by call, with three that are called once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.plan_file import layer_map_of
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import CaptureKind, Phase

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def stack(shared: bool, **given: Any) -> Model:
    return model("shared_models:Activated", shared=shared, **given)


def compare(service: Service, reference: Model, candidate: Model, **options: Any) -> Report:
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, Options(**options), steps=1)


def activations(report: Report) -> list[tuple[str, int, str, int]]:
    """Returns the compared outputs of activations: reference path and call, candidate path and call."""
    return [
        (row.reference.path, row.reference.call, row.candidate.path, row.candidate.call)
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT
        and row.phase is Phase.FORWARD
        and row.reference
        and row.candidate
        and row.reference.path.startswith("act")
    ]


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"local_error": True}])
@pytest.mark.parametrize("is_turned", [False, True])
def test_every_call_is_compared(service: Service, is_turned: bool, options: dict[str, Any]) -> None:
    report = compare(service, stack(is_turned), stack(not is_turned), **options)
    assert report, str(report)
    several = [(f"act{n}", 0) for n in range(3)]
    shared = [("act", n) for n in range(3)]
    ours, theirs = (shared, several) if is_turned else (several, shared)
    assert set(activations(report)) == {(*one, *other) for one, other in zip(ours, theirs)}
    assert report.coverage.calls_compared == report.coverage.calls_total
    assert not report.unmatched


def test_containers_around_them_are_the_only_ones_without_a_partner(service: Service) -> None:
    report = compare(service, stack(True), stack(False, wrapped=True))
    assert report, str(report)
    assert {(lone.path, lone.counts) for lone in report.unmatched} == {(f"act{n}", False) for n in range(3)}
    [line] = [line for line in str(report).splitlines() if "only the candidate has" in line]
    assert "3 layers that hold others: act0, act1, act2; what they hold is paired on its own" in line


@pytest.mark.parametrize("options", [{}, {"single_step": True}])
def test_a_fault_in_one_of_them_is_found_at_its_call(service: Service, options: dict[str, Any]) -> None:
    report = compare(service, stack(True), stack(False, faulty=1), **options)
    first = report.first_divergence
    assert first is not None
    assert first.row.reference
    assert first.row.candidate
    assert (first.row.reference.path, first.row.reference.call) == ("act", 1)
    assert first.row.candidate.path == "act1"
    if options:
        assert {row.candidate.path for row in report.faults if row.candidate} == {"act1"}


def test_the_plan_lists_them_and_given_back_leaves_them_to_be_aligned(service: Service) -> None:
    report = compare(service, stack(True), stack(False))
    how = {
        (pair.reference.path, pair.candidate.path): pair.how
        for pair in report.plan
        if pair.reference and pair.candidate
    }
    assert {pair for pair, word in how.items() if word == "calls"} == {("act", f"act{n}") for n in range(3)}
    asked = layer_map_of(report.plan)
    named = {path for pair in asked.pairs for path in (pair.reference, pair.candidate)}
    assert not any(path.startswith("act") for path in (*named, *asked.unpaired.reference))

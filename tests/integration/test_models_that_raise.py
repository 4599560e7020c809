"""A model that raises half way: what ran is paired with the beginning, nothing behind it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import CaptureKind, Phase, Side

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
WHOLE = 5


def stack(**given: Any) -> Model:
    return model("raising_models:Stack", **given)


def compare(service: Service, reference: Model, candidate: Model, **options: Any) -> Report:
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, Options(**options), steps=1)


def pairs(report: Report) -> dict[str, str]:
    return {
        pair.reference.path: pair.candidate.path for pair in report.plan if pair.reference and pair.candidate
    }


def outputs(report: Report) -> set[str]:
    """Returns the candidate's layers whose outputs were compared."""
    return {
        row.candidate.path
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT and row.phase is Phase.FORWARD and row.candidate and row.figures
    }


def assert_nothing_behind_counts(report: Report) -> None:
    assert report.failures
    assert not [row for row in report.rows if fails(row)], str(report)
    assert not [lone for lone in report.unmatched if lone.counts]
    assert report.first_divergence is None


@pytest.mark.parametrize(
    "options", [{}, {"trace": "first_step"}, {"single_step": True}, {"local_error": True}]
)
@pytest.mark.parametrize("raising", list(Side))
def test_what_ran_is_paired_with_the_beginning(
    service: Service, raising: Side, options: dict[str, Any]
) -> None:
    sides = [stack(at=2 if side is raising else -1, train=True) for side in Side]
    report = compare(service, *sides, **options)
    assert_nothing_behind_counts(report)
    [failure] = report.failures
    assert (failure.side, failure.path) == (raising, "blocks.2.inner")
    found = pairs(report)
    assert {path: path for path in found} == found
    assert {f"blocks.{n}.inner.second" for n in range(WHOLE)} <= set(found)
    if "trace" in options:
        # Without a trace, chance decides differently on both sides.
        return
    assert {"stem", "relu", "blocks.0", "blocks.1", "blocks.2.inner.first"} <= outputs(report)
    assert "blocks.2.inner.second" not in outputs(report)


def test_a_wrong_argument_name_is_told_what_forward_takes(service: Service) -> None:
    batches = Batches(({"input": X}, {"x": X}))
    report = compare_on(service, stack(), stack(), batches, Options(), steps=1)
    [failure] = report.failures
    assert failure.side is Side.CANDIDATE
    assert failure.text.endswith("unexpected keyword argument 'input'; forward takes: x")


def test_of_two_that_raise_the_earlier_one_ends_the_comparison(service: Service) -> None:
    report = compare(service, stack(at=3), stack(at=1))
    assert_nothing_behind_counts(report)
    assert [failure.path for failure in report.failures] == ["blocks.3.inner", "blocks.1.inner"]
    assert {"blocks.0", "blocks.1.inner.first"} <= outputs(report)


@pytest.mark.parametrize("raising", list(Side))
def test_a_backward_that_raises_leaves_the_forward_compared(service: Service, raising: Side) -> None:
    sides = [stack(at=2 if side is raising else -1, raises="backward") for side in Side]
    report = compare(service, *sides)
    assert_nothing_behind_counts(report)
    assert report.failures[0].phase is Phase.BACKWARD
    assert {"blocks.4", "head", ""} <= outputs(report)


@pytest.mark.parametrize("names", ["blocks", "h"])
def test_a_port_that_has_only_the_beginning_is_compared_so_far(service: Service, names: str) -> None:
    report = compare(service, stack(), stack(blocks=2, names=names))
    assert_nothing_behind_counts(report)
    assert {f"{names}.0", f"{names}.1", "relu"} <= outputs(report)
    assert pairs(report)["blocks.1.norm"] == f"{names}.1.norm"
    reasons = {report.reason(lone) for lone in report.unmatched}
    assert reasons == {"its layer runs behind the place where a model raised"}


def test_a_fault_before_the_exception_is_the_first_divergence(service: Service) -> None:
    report = compare(service, stack(), stack(at=3, faulty=1))
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.kind) == ("blocks.1", CaptureKind.OUTPUT)
    assert pairs(report)["blocks.1"] == "blocks.1"


def test_a_pass_that_called_no_layer_leaves_the_order_of_definition(service: Service) -> None:
    report = compare(service, stack(), model("raising_models:Refusing"))
    assert_nothing_behind_counts(report)
    assert all(ours == theirs for ours, theirs in pairs(report).items())

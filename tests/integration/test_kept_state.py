"""What models keep in plain attributes, put back after each pass, over the NumPy fake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import NoteKind

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
KINDS = ["count", "warm_up", "cache", "recent", "average", "history"]


def keeping(kind: str, **given: Any) -> Model:
    return model("stateful_models:Keeping", kind=kind, optimizer="fake_models:sgd", train=True, **given)


def compare(service: Service, *sides: Model, steps: int = 3, **options: Any) -> Report:
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, *sides, batches, Options(**options), steps=steps)


def has_gold(report: Report) -> bool:
    return any(note.kind is NoteKind.GOLD for note in report.summary.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_models_that_go_on_alike_pass_though_each_step_runs_them_more_than_once(
    service: Service, kind: str
) -> None:
    report = compare(service, keeping(kind), keeping(kind), local_error=True, floor="measured")
    assert report, render.text(report)
    assert has_gold(report)
    # The free run is the one that there would be without the pass in lockstep and without gold.
    alone = compare(service, keeping(kind), keeping(kind))
    losses = [[(step.loss_reference, step.loss_candidate) for step in one.steps] for one in (report, alone)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_in_lockstep_alone_they_pass_too(service: Service, kind: str) -> None:
    report = compare(service, keeping(kind), keeping(kind), steps=1, single_step=True, floor="measured")
    assert report, render.text(report)
    assert has_gold(report)


@pytest.mark.parametrize("kind", KINDS)
def test_a_candidate_that_goes_on_twice_as_fast_fails(service: Service, kind: str) -> None:
    report = compare(service, keeping(kind), keeping(kind, by=2), local_error=True, keep_going=True)
    assert not report
    assert [one.differs for one in report.noise] == [False, False]
    # The warm-up of the one ends in the second step, of the other in the third.
    passed = [True, False, True] if kind == "warm_up" else [False, False, False]
    assert [step.passed for step in report.steps] == passed
    first = report.first_divergence
    assert first is not None
    assert first.path == "factor"


def test_a_trace_leaves_no_count_behind(service: Service) -> None:
    report = compare(service, keeping("warm_up"), keeping("warm_up", by=3), steps=1)
    assert not report, "the third call of the candidate is in step 0, and neither trace counts for any"
    assert compare(service, keeping("warm_up"), keeping("warm_up", by=2), steps=1)


def test_a_loss_that_counts_its_calls_is_put_back_too(service: Service) -> None:
    sides = [keeping("count", loss="stateful_models:growing") for _ in range(2)]
    report = compare(service, *sides, local_error=True, floor="measured")
    assert report, render.text(report)
    alone = compare(service, *sides)
    assert [step.loss_reference for step in report.steps] == [step.loss_reference for step in alone.steps]

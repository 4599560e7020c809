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
from padiff_rpc.v1.words import NoteKind, Pass, Phase, Side

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


def noted(report: Report, kind: NoteKind) -> list[tuple[Any, ...]]:
    return [(note.side, note.numbers, note.names) for note in report.summary.notes if note.kind is kind]


def codebooks(when: str) -> list[Model]:
    return [model("stateful_models:Codebook", when=when, train=True) for _ in range(2)]


def test_a_parameter_that_changes_in_each_forward_pass_is_put_back_after_each(service: Service) -> None:
    sides = codebooks("forward")
    report = compare(service, *sides, steps=1, local_error=True, floor="measured")
    assert report, render.text(report)
    assert has_gold(report)
    assert noted(report, NoteKind.NOT_PUT_BACK) == []
    alone = compare(service, *sides, steps=1)
    assert [step.loss_reference for step in report.steps] == [step.loss_reference for step in alone.steps]
    assert {row.pass_kind for row in report.rows} >= {Pass.LOCKSTEP, Pass.FREE}


def test_one_that_changes_where_its_trace_showed_nothing_is_told_and_no_free_run_follows(
    service: Service,
) -> None:
    report = compare(service, *codebooks("backward"), steps=1, local_error=True, floor="measured")
    assert noted(report, NoteKind.NOT_PUT_BACK) == [(Side.CANDIDATE, (0.0,), ("book",))]
    assert "could not be put back to where step 0 began" in render.text(report)
    assert "book" in render.text(report)
    assert not has_gold(report)
    (no_gold,) = [note for note in report.summary.notes if note.kind is NoteKind.NO_GOLD]
    assert "cannot be run again" in no_gold.reasons[0].names[0]
    judged = [row for row in report.rows if row.phase not in (Phase.INPUTS, Phase.INITIAL_WEIGHTS)]
    assert {row.pass_kind for row in judged} == {Pass.LOCKSTEP}
    assert any(row.phase is Phase.GRADIENTS for row in judged), "the pass that was judged stands"
    assert report, render.text(report)


def test_where_an_optimizer_steps_all_is_put_back(service: Service) -> None:
    sides = [
        model("stateful_models:Codebook", when="backward", train=True, optimizer="fake_models:sgd")
        for _ in range(2)
    ]
    report = compare(service, *sides, local_error=True)
    assert report, render.text(report)
    assert noted(report, NoteKind.NOT_PUT_BACK) == []
    assert {row.pass_kind for row in report.rows} >= {Pass.LOCKSTEP, Pass.FREE}


def test_without_a_trace_all_is_put_back(service: Service) -> None:
    sides = codebooks("backward")
    report = compare(service, *sides, steps=1, single_step=True, floor="measured", trace="first_step")
    assert noted(report, NoteKind.NOT_PUT_BACK) == []
    assert not noted(report, NoteKind.NO_GOLD)


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

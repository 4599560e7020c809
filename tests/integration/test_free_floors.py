"""Floors of runs that are judged freely, which free runs of the reference in float64 measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on
from processes import Service
from test_gold import OTHERWISE, SGD, X, causes, coarse, notes

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import Cause, NoteKind, Pass, Phase


def compare(service: Service, reference: Model, candidate: Model, *, steps: int = 1, **given: Any) -> Report:
    options = Options(**{"local_error": False, **given})
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, options, steps=steps)


def failed(report: Report) -> list[tuple[Phase, str]]:
    return [(row.phase, row.candidate.path) for row in report.rows if fails(row) and row.candidate]


def test_what_the_references_own_rounding_makes_passes_and_the_table_alone_fails_it(
    service: Service,
) -> None:
    report = compare(service, coarse(), coarse(**OTHERWISE))
    assert report, render.text(report)
    assert {row.pass_kind for row in report.all_rows} == {Pass.FREE}
    assert causes(report, Cause.WITHIN_OWN_ERROR)
    assert len(notes(report, NoteKind.GOLD)) == 1
    assert not compare(service, coarse(), coarse(**OTHERWISE), floor="table")


def test_what_is_further_off_than_rounding_makes_it_fails_and_says_how_far(service: Service) -> None:
    report = compare(service, coarse(), coarse(fault=0.05, **OTHERWISE))
    assert failed(report)[0] == (Phase.FORWARD, "rounding")
    reasons = [one for row in report.rows for one in row.reasons if one.cause is Cause.BEYOND_OWN_ERROR]
    assert reasons[0].numbers[0] > 20


def test_a_reference_that_does_not_run_in_float64_is_held_against_what_noise_does_to_it(
    service: Service,
) -> None:
    report = compare(service, coarse("Narrow"), coarse("Narrow", fault=0.05, **OTHERWISE))
    assert failed(report)[0] == (Phase.FORWARD, "rounding")
    (note,) = [note for note in report.summary.notes if note.kind is NoteKind.NO_GOLD]
    assert note.reasons
    assert not notes(report, NoteKind.GOLD)
    assert causes(report, Cause.BEYOND_NOISE)


def test_a_gradient_that_is_multiplied_fails_beside_values_that_round(service: Service) -> None:
    report = compare(service, coarse(), coarse(gradient=1.1, **OTHERWISE))
    assert failed(report)[0] == (Phase.BACKWARD, "last")


def test_what_the_table_allows_asks_nothing(service: Service) -> None:
    report = compare(service, coarse(), coarse(fault=1e-6), floor="measured")
    assert report, render.text(report)
    assert notes(report, NoteKind.GOLD) == []


def test_weights_that_have_drifted_apart_excuse_what_comes_of_that_and_no_more(service: Service) -> None:
    """The runs in float64 know how far off the candidate's own weights are."""
    sides = coarse(optimizer=SGD), coarse(optimizer=SGD, **OTHERWISE)
    report = compare(service, *sides, steps=3)
    assert report, render.text(report)
    assert [numbers[0] for numbers in notes(report, NoteKind.GOLD)] == [0.0, 1.0, 2.0]
    faulty = coarse(optimizer="optimizer_models:faster", **OTHERWISE)
    report = compare(service, coarse(optimizer="optimizer_models:momentum"), faulty, steps=3, keep_going=True)
    assert {phase for phase, _ in failed(report)} >= {Phase.OPTIMIZER, Phase.WEIGHTS}


@pytest.mark.parametrize("name", ["Coarse", "Stateful"])
def test_the_runs_in_float64_leave_no_trace_in_the_steps_behind_them(service: Service, name: str) -> None:
    sides = coarse(name, optimizer=SGD, train=True), coarse(name, optimizer=SGD, train=True, **OTHERWISE)
    measured, by_table = (
        compare(service, *sides, steps=3, keep_going=True, floor=floor) for floor in ("auto", "table")
    )
    assert len(notes(measured, NoteKind.GOLD)) >= 2
    losses = [
        [(one.loss_reference, one.loss_candidate) for one in found.steps] for found in (measured, by_table)
    ]
    assert losses[0] == losses[1]


def test_the_first_step_of_passes_that_nothing_foresees_is_measured(service: Service) -> None:
    given = {"local_error": None, "trace": "first_step"}
    report = compare(service, coarse(), coarse(**OTHERWISE), **given)
    assert report, render.text(report)
    free = [row for row in report.all_rows if row.step == 0 and row.pass_kind is Pass.FREE]
    assert Cause.WITHIN_OWN_ERROR in {one.cause for row in free for one in row.reasons}
    assert not compare(service, coarse(), coarse(fault=0.05, **OTHERWISE), **given)


def test_gradients_that_add_up_are_measured_with_those_of_the_steps_before(service: Service) -> None:
    sides = coarse(optimizer=SGD), coarse(optimizer=SGD, **OTHERWISE)
    report = compare(service, *sides, steps=4, accumulate=2)
    assert report, render.text(report)
    assert [numbers[0] for numbers in notes(report, NoteKind.GOLD)] == [0.0, 1.0, 2.0, 3.0]
    assert np.isfinite(report.steps[3].loss_reference)

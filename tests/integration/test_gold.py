"""Floors that the reference's own float64 run measures, across real processes, over the NumPy fake."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options, OwnBounds
from padiff_rpc.v1.words import Cause, DecidedBy, NoteKind, Pass, Phase, Side

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
SGD = "fake_models:sgd"
BOTH_WAYS = pytest.mark.parametrize("lockstep", ["single_step", "local_error"])
# What rounds otherwise than the reference does, and no worse.
OTHERWISE = {"offset": 2048.0}


def coarse(name: str = "Coarse", **given: Any) -> Model:
    return model(f"gold_models:{name}", **given)


def compare(
    service: Service, lockstep: str, reference: Model, candidate: Model, *, steps: int = 1, **given: Any
) -> Report:
    options = Options(**{lockstep: True, **given})
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, options, steps=steps)


def causes(report: Report, *among: Cause) -> list[Cause]:
    return [reason.cause for row in report.rows for reason in row.reasons if reason.cause in among]


def notes(report: Report, kind: NoteKind) -> list[tuple[float, ...]]:
    return [note.numbers for note in report.summary.notes if note.kind is kind]


def judged(report: Report) -> list[Any]:
    """Returns what the rows in lockstep came to, without what was measured."""
    return [
        (row.step, row.phase, row.candidate and row.candidate.path, row.verdict, row.counts)
        for row in report.rows
        if row.pass_kind is Pass.LOCKSTEP
    ]


@BOTH_WAYS
def test_what_the_references_own_rounding_makes_passes_and_the_table_alone_fails_it(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse(), coarse(**OTHERWISE))
    assert report, render.text(report)
    assert causes(report, Cause.WITHIN_OWN_ERROR)
    assert notes(report, NoteKind.GOLD) == [(0.0, 2.0)]
    by_table = compare(service, lockstep, coarse(), coarse(**OTHERWISE), floor="table")
    assert not by_table
    assert notes(by_table, NoteKind.GOLD) == []


@BOTH_WAYS
def test_what_is_further_off_than_rounding_makes_it_fails_there_and_says_how_far(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse(), coarse(fault=0.05, **OTHERWISE))
    failed = [row for row in report.rows if fails(row)]
    assert [(row.phase, row.candidate and row.candidate.path) for row in failed] == [
        (Phase.FORWARD, "rounding")
    ]
    (score,) = [reason.numbers[0] for reason in failed[0].reasons if reason.cause is Cause.BEYOND_OWN_ERROR]
    assert score > 100
    assert "as far as the reference is from its own float64 run" in render.text(report)


@BOTH_WAYS
def test_a_gradient_that_is_multiplied_fails_beside_values_that_round(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse(), coarse(gradient=1.001, **OTHERWISE))
    failed = {(row.phase, row.candidate.path) for row in report.rows if fails(row) and row.candidate}
    assert failed == {(Phase.BACKWARD, "last")}


@BOTH_WAYS
def test_what_rounding_of_a_calls_inputs_makes_passes_though_the_reference_is_exact(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse("Centred"), coarse("Centred", is_factored=True))
    assert report, render.text(report)
    assert Cause.WITHIN_OWN_ERROR in causes(report, Cause.WITHIN_OWN_ERROR)
    faulty = coarse("Centred", is_factored=True, fault=0.01)
    report = compare(service, lockstep, coarse("Centred"), faulty)
    failed = [(row.phase, row.candidate.path) for row in report.rows if fails(row) and row.candidate]
    assert failed[0] == (Phase.FORWARD, "centre")
    assert {path for _, path in failed} == {"centre"}


def test_gold_sends_what_is_asked_of_it_alone(service: Service) -> None:
    def sent(**given: Any) -> int:
        report = compare(service, "single_step", coarse(), coarse(**OTHERWISE), **given)
        assert report, render.text(report)
        return sum(one.bytes for one in report.traffic)

    without, some, everything = sent(floor="table", atol=1.0), sent(), sent(floor="measured")
    assert without < some < (without + everything) / 2


def test_where_nothing_exceeds_the_table_nothing_runs_in_float64(service: Service) -> None:
    report = compare(service, "single_step", coarse(), coarse())
    assert report
    assert notes(report, NoteKind.GOLD) == []


@BOTH_WAYS
def test_measured_floors_ask_no_table(service: Service, lockstep: str) -> None:
    report = compare(service, lockstep, coarse(), coarse(fault=1e-6), floor="measured")
    assert report, render.text(report)
    assert notes(report, NoteKind.GOLD) == [(0.0, 0.0)]


@pytest.mark.parametrize("name", ["Coarse", "Stateful"])
def test_the_float64_run_leaves_no_trace_in_the_steps_behind_it(service: Service, name: str) -> None:
    sides = [coarse(name, optimizer=SGD, train=True) for _ in range(2)]
    with_gold = compare(service, "local_error", *sides, steps=3, floor="measured")
    without = compare(service, "local_error", *sides, steps=3, floor="table")
    assert [numbers[0] for numbers in notes(with_gold, NoteKind.GOLD)] == [0.0, 1.0, 2.0]
    assert judged(with_gold) == judged(without)
    assert with_gold, render.text(with_gold)
    losses = [(step.loss_reference, step.loss_candidate) for step in with_gold.steps]
    assert losses == [(step.loss_reference, step.loss_candidate) for step in without.steps]


@BOTH_WAYS
def test_a_reference_that_does_not_run_in_float64_is_held_against_what_noise_does_to_it(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse("Narrow"), coarse("Narrow", **OTHERWISE))
    assert not report
    (note,) = [note for note in report.summary.notes if note.kind is NoteKind.NO_GOLD]
    assert "float32 wanted, got float64" in render.text(report)
    assert note.reasons
    assert not notes(report, NoteKind.GOLD)
    told = {reason.cause for row in report.rows for reason in row.reasons}
    assert Cause.BEYOND_NOISE in told
    assert not told & {Cause.WITHIN_OWN_ERROR, Cause.BEYOND_OWN_ERROR}
    assert "times what noise in the last digit does to the reference" in render.text(report)
    assert report.measurement.by_gold == 0
    assert report.measurement.by_noise > 0


def test_a_users_own_bounds_decide_alone_though_rounding_makes_more(service: Service) -> None:
    report = compare(service, "single_step", coarse(), coarse(**OTHERWISE), atol=1e-6)
    (failed,) = [row for row in report.rows if fails(row)]
    assert {Cause.VALUES, Cause.WITHIN_OWN_ERROR} <= {reason.cause for reason in failed.reasons}
    assert report.bounds == OwnBounds(atol=1e-6)


@BOTH_WAYS
def test_what_only_a_users_own_bounds_let_pass_is_counted_in_the_first_line(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, coarse(), coarse(fault=0.05, **OTHERWISE), atol=0.1)
    assert report.bounds == OwnBounds(atol=0.1, places=1)
    first, *text = render.text(report).splitlines()
    assert first == "PASS under your atol=0.1; 1 place exceeds rounding"
    assert "rtol was not given, and so is 0" in "\n".join(text)
    assert json.loads(report.to_json())["bounds"] == {"atol": 0.1, "places": 1}
    (row,) = [row for row in report.rows if Cause.BY_OWN_BOUNDS in {one.cause for one in row.reasons}]
    assert row.candidate is not None
    assert (row.phase, row.candidate.path) == (Phase.FORWARD, "rounding")


@pytest.mark.parametrize(("floor", "places"), [("auto", 0), ("table", 1)])
def test_of_what_users_own_bounds_let_pass_the_floor_says_what_is_rounding(
    service: Service, floor: str, places: int
) -> None:
    report = compare(service, "single_step", coarse(), coarse(**OTHERWISE), rtol=0.1, atol=0.1, floor=floor)
    assert report, render.text(report)
    assert report.bounds == OwnBounds(atol=0.1, rtol=0.1, places=places)
    first = render.text(report).splitlines()[0]
    assert first == (
        "PASS under your atol=0.1, rtol=0.1; 1 place exceeds rounding" if places else "PASS: the models agree"
    )


def test_other_bounds_hide_no_difference_of_shape_or_a_nan(service: Service) -> None:
    report = compare(service, "single_step", coarse(), coarse(fault=float("nan")), atol=1e9)
    assert not report


@BOTH_WAYS
def test_a_report_says_what_decided_how_many_rows_and_what_that_cost(service: Service, lockstep: str) -> None:
    report = compare(service, lockstep, coarse(), coarse(fault=0.05, **OTHERWISE))
    measurement = report.measurement
    numbers = [
        measurement.by_equality,
        measurement.by_table,
        measurement.by_sums,
        measurement.by_gold,
        measurement.not_compared,
    ]
    judged = [row for row in report.all_rows if row.pass_kind is Pass.LOCKSTEP or not row.twin]
    assert sum(numbers) == len(judged)
    assert measurement.by_gold == sum(row.decided_by is DecidedBy.GOLD for row in judged) > 0
    assert 0 < measurement.gold_seconds < report.summary.seconds
    assert {one.side for one in measurement.peaks} == set(Side)
    assert all(one.bytes > 2**20 for one in measurement.peaks)
    (line,) = [line for line in render.text(report).splitlines() if line.startswith("  decided")]
    assert f"{measurement.by_gold} by float64" in line
    assert "running the reference again took" in line
    assert "MiB in the reference's worker" in line
    by_table = compare(service, lockstep, coarse(), coarse(**OTHERWISE), floor="table")
    assert (by_table.measurement.by_gold, by_table.measurement.gold_seconds) == (0, 0.0)
    bounded = compare(service, lockstep, coarse(), coarse(**OTHERWISE), atol=0.1)
    assert bounded.measurement.by_bounds > 0

"""Lockstep behind a first step that serves as the trace, across real processes, over the NumPy fake."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options, Row
from padiff_rpc.v1.words import CaptureKind, Pass, Phase, Verdict

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
SGD = "fake_models:sgd"
FREELY = "step 0 was judged freely"
ALONE = f"{FREELY}, and nothing ran in lockstep"
# Within what a free run allows, and not in lockstep.
SLIGHT = 1 + 1e-5
BOTH_WAYS = pytest.mark.parametrize("lockstep", ["single_step", "local_error"])


def chain(**given: Any) -> Model:
    return model("lockstep_models:Chain", **given)


def own(name: str, **given: Any) -> Model:
    return model(f"first_step_models:{name}", **given)


def compare(
    service: Service, lockstep: str, reference: Model, candidate: Model, *, steps: int = 2, **given: Any
) -> Report:
    """Compares over steps of different batches; a `lockstep` of "" is none."""
    batches = [{"x": X + np.float32(step)} for step in range(steps)]
    options = {"trace": "first_step", **({lockstep: True} if lockstep else {}), **given}
    return compare_on(
        service, reference, candidate, Batches((batches, batches)), Options(**options), steps=steps
    )


def trained(lockstep: str, make: Any, *sides: dict[str, Any]) -> list[Model]:
    """Returns models that train where several steps need it."""
    return [make(**given, **({} if lockstep == "single_step" else {"optimizer": SGD})) for given in sides]


def passes(report: Report) -> dict[int, set[Pass]]:
    """Returns the passes of the rows of each step."""
    found: dict[int, set[Pass]] = {}
    for row in report.all_rows:
        if row.phase is Phase.FORWARD:
            found.setdefault(row.step, set()).add(row.pass_kind)
    return found


def blamed(report: Report, **where: Any) -> list[tuple[str, str, int]]:
    """Returns path, kind and step of the rows that fail, of those that have these fields."""
    return [
        (row.candidate.path, row.kind.value, row.step)
        for row in report.rows
        if row.candidate and fails(row) and all(getattr(row, name) is value for name, value in where.items())
    ]


def headline(report: Report) -> str:
    return render.headline(report).text


@BOTH_WAYS
def test_equal_models_pass_and_the_headline_says_what_was_free(service: Service, lockstep: str) -> None:
    report = compare(service, lockstep, *trained(lockstep, chain, {}, {}), steps=3)
    assert report, str(report)
    assert headline(report) == f"PASS: the models agree; {FREELY}"
    [note] = report.notes
    assert FREELY in note
    assert "the steps behind it were in lockstep" in note
    later = {Pass.LOCKSTEP} if lockstep == "single_step" else {Pass.LOCKSTEP, Pass.FREE}
    assert passes(report) == {0: {Pass.FREE}, 1: later, 2: later}
    assert report.summary.in_lockstep is (lockstep == "single_step")
    assert report.summary.has_local_errors is (lockstep == "local_error")
    coverage = report.coverage
    assert coverage.tensors_compared == coverage.tensors_total
    assert coverage.calls_compared == coverage.calls_total


@BOTH_WAYS
def test_one_step_alone_says_that_nothing_ran_in_lockstep(service: Service, lockstep: str) -> None:
    report = compare(service, lockstep, chain(), chain(), steps=1)
    assert report, str(report)
    assert headline(report) == f"PASS: the models agree; {ALONE}"
    assert not report.summary.in_lockstep
    assert not report.summary.has_local_errors
    assert passes(report) == {0: {Pass.FREE}}
    [note] = report.notes
    assert "ask for more steps" in note


def test_without_lockstep_nothing_is_said_of_the_first_step(service: Service) -> None:
    report = compare(service, "", *trained("", chain, {}, {}), local_error=False)
    assert report.notes == ()
    assert headline(report) == "PASS: the models agree"
    assert passes(report) == {0: {Pass.FREE}, 1: {Pass.FREE}}


@BOTH_WAYS
def test_a_fault_too_small_for_a_free_run_is_located_in_the_second_step(
    service: Service, lockstep: str
) -> None:
    models = trained(lockstep, chain, {}, {"faults": {"1": {"factor": SLIGHT}}})
    assert compare(service, lockstep, *models, steps=1), "too small to be seen"
    report = compare(service, lockstep, *models)
    assert not report
    assert FREELY in headline(report)
    assert headline(report).startswith("FAIL: ")
    assert blamed(report, kind=CaptureKind.OUTPUT) == [("block1.first", "output", 1)]
    assert {row.pass_kind for row in report.faults} == {Pass.LOCKSTEP}


@BOTH_WAYS
def test_a_small_fault_of_gradients_is_located_too(service: Service, lockstep: str) -> None:
    models = trained(lockstep, chain, {}, {"faults": {"1": {"gradient": 1 + 5e-5}}})
    assert compare(service, lockstep, *models, steps=1), "too small to be seen"
    report = compare(service, lockstep, *models)
    assert blamed(report, phase=Phase.BACKWARD) == [("block1.passing", "input_gradient", 1)]


@BOTH_WAYS
def test_a_fault_of_the_first_step_is_found_there_and_named_alone_in_the_next(
    service: Service, lockstep: str
) -> None:
    models = trained(lockstep, chain, {}, {"faults": {"1": {"factor": 1.5}}})
    report = compare(service, lockstep, *models)
    assert report.first_divergence is not None
    assert (report.first_divergence.path, report.first_divergence.row.step) == ("block1.first", 0)
    assert headline(report).endswith(f"; {ALONE}")
    assert any("stopped after step 0" in note for note in report.notes)
    report = compare(service, lockstep, *models, keep_going=True)
    assert headline(report).endswith(f"; {FREELY}")
    assert blamed(report, phase=Phase.FORWARD, step=1) == [("block1.first", "output", 1)]
    assert len(blamed(report, phase=Phase.FORWARD, step=0)) > 1


@BOTH_WAYS
def test_a_step_in_lockstep_begins_with_the_references_buffers(service: Service, lockstep: str) -> None:
    def early(**given: Any) -> Model:
        return own("Early", train=True, **given)

    models = trained(lockstep, early, {}, {"factor": SLIGHT})
    report = compare(service, lockstep, *models)
    assert report, str(report)
    [kept] = [row for row in report.rows if row.phase is Phase.WEIGHTS and row.step == 0 and is_kept(row)]
    assert kept.verdict is Verdict.WITHIN_TOLERANCE
    models = trained(lockstep, early, {}, {"factor": 1.5})
    assert blamed(compare(service, lockstep, *models), kind=CaptureKind.BUFFER) == [("", "buffer", 0)]


def test_what_the_first_step_left_apart_taints_no_later_one(service: Service) -> None:
    one_step = "local_error_models:OneStepFault"
    models = model(one_step, optimizer=SGD, train=True), model(one_step, step=0, optimizer=SGD, train=True)
    report = compare(service, "local_error", *models, steps=3, keep_going=True)
    assert [step.passed for step in report.steps] == [False, True, True], str(report)
    drifted = [row for row in report.all_rows if row.step == 1 and row.verdict is Verdict.MISMATCH]
    assert {row.pass_kind for row in drifted} == {Pass.FREE}


def is_kept(row: Row) -> bool:
    return row.kind is CaptureKind.BUFFER and row.candidate is not None and row.candidate.slot == "kept"


@BOTH_WAYS
def test_backward_alone_judges_the_free_step_whole(service: Service, lockstep: str) -> None:
    models = trained(lockstep, chain, {}, {"faults": {"1": {"between": 1.5}}})
    alone = compare(service, lockstep, *models, diff_phase="backward")
    assert blamed(alone, phase=Phase.FORWARD)
    assert not any("do not count" in note for note in alone.notes)
    report = compare(service, lockstep, *models, diff_phase="backward", keep_going=True)
    assert blamed(report, phase=Phase.FORWARD, step=1) == []
    assert blamed(report, phase=Phase.BACKWARD, step=1)
    assert any("do not count" in note for note in report.notes)


@BOTH_WAYS
def test_forward_alone_makes_all_steps_without_an_optimizer(service: Service, lockstep: str) -> None:
    report = compare(
        service, lockstep, chain(), chain(faults={"1": {"factor": SLIGHT}}), diff_phase="forward"
    )
    assert blamed(report) == [("block1.first", "output", 1)]


def test_without_a_backward_lockstep_goes_on_all_the_same(service: Service) -> None:
    gated = "backward_models:Gated"
    narrow = [{"x": X[:, :4]}] * 2
    options = Options(trace="first_step", single_step=True)  # type: ignore[arg-type]
    report = compare_on(
        service,
        model(gated),
        model(gated, forward=SLIGHT),
        Batches((narrow, narrow)),
        options,
        steps=2,
    )
    assert blamed(report) == [("", "input", 1)]


@BOTH_WAYS
def test_a_model_that_raises_while_it_is_traced_is_traced_by_its_first_step(
    service: Service, lockstep: str
) -> None:
    models = trained(lockstep, lambda **given: own("Warming", **given), {}, {})
    given = {"trace": "before", "preflight": False}
    report = compare(service, lockstep, *models, **given)
    assert report, str(report)
    # Lockstep makes one step where it was to be traced before.
    assert passes(report)[0] == {Pass.FREE}
    assert headline(report).endswith(f"; {ALONE if lockstep == 'single_step' else FREELY}")
    assert any("raised RuntimeError while it was traced" in note for note in report.notes)


@pytest.mark.parametrize("randomness", ["shared", "report"])
@BOTH_WAYS
def test_random_decisions_are_shared_or_kept_apart_from_the_second_step_on(
    service: Service, lockstep: str, randomness: str
) -> None:
    def dropped(**given: Any) -> Model:
        return model("random_models:Dropped", train=True, **given)

    reference, candidate = trained(lockstep, dropped, {}, {"behind": SLIGHT})
    models = reference, dataclasses.replace(candidate, seed=1)
    report = compare(service, lockstep, *models, randomness=randomness, keep_going=True)
    assert blamed(report, step=0), "what lies behind the dropout differs"
    assert any("random decisions of step 0" in note for note in report.notes)
    assert blamed(report, step=1, kind=CaptureKind.OUTPUT) == [("last", "output", 1)]
    drops = {
        row.verdict is Verdict.NOT_COMPARED
        for row in report.rows
        if row.step == 1 and row.kind is CaptureKind.OUTPUT and row.candidate and row.candidate.path == "drop"
    }
    assert drops == {randomness == "report"}


@BOTH_WAYS
def test_a_dropout_that_differs_in_later_steps_alone_is_found_there(service: Service, lockstep: str) -> None:
    def late(**given: Any) -> Model:
        return own("LateDrop", train=True, **given)

    models = trained(lockstep, late, {"p": 0.0, "late": 0.0}, {"p": 0.0, "late": 0.25})
    assert ("drop", "output", 1) in blamed(compare(service, lockstep, *models))
    models = trained(lockstep, late, {"p": 0.0, "late": 0.0}, {"p": 0.0, "late": 0.0})
    assert compare(service, lockstep, *models)

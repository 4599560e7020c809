"""Local and accumulated errors in one run, across real processes, over the NumPy fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service, running, running_worker

from padiff_client.link import Batches
from padiff_client.render import headline
from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options, Row
from padiff_rpc.v1.words import Pass, Phase, Side, Verdict

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
ALMOST_ONE = (1 + 1e-3 * X).astype(np.float32)
SGD, MOMENTUM = "fake_models:sgd", "local_error_models:momentum"


def chain(**given: Any) -> Model:
    return model("lockstep_models:Chain", **given)


def own(name: str, **given: Any) -> Model:
    return model(f"local_error_models:{name}", **given)


def compare(
    service: Service,
    reference: Model,
    candidate: Model,
    x: Any = X,
    *,
    steps: int = 1,
    **given: Any,
) -> Report:
    return compare_on(
        service,
        reference,
        candidate,
        Batches(({"x": x}, {"x": x})),
        Options(**{"local_error": True, **given}),
        steps=steps,
    )


def rows(report: Report, pass_kind: Pass, *, step: int = 0, phase: Optional[Phase] = None) -> list[Row]:
    return [
        row
        for row in report.all_rows
        if row.twin and row.pass_kind is pass_kind and row.step == step and phase in (None, row.phase)
    ]


def differing(rows: list[Row]) -> list[tuple[str, str]]:
    return [
        (row.candidate.path, row.kind.value)
        for row in rows
        if row.candidate and row.verdict is Verdict.MISMATCH
    ]


def blamed(report: Report) -> list[tuple[str, str, str]]:
    """Path, kind and "between" of every row that fails, in execution order."""
    return [
        (row.candidate.path, row.kind.value, row.between)
        for row in report.all_rows
        if row.candidate and fails(row)
    ]


def test_equal_models_pass_and_every_place_has_both_errors(service: Service) -> None:
    report = compare(service, chain(), chain())
    assert report, str(report)
    assert report.summary.has_local_errors
    assert not report.summary.in_lockstep
    assert report.notes == ()
    local, free = (rows(report, kind) for kind in (Pass.LOCKSTEP, Pass.FREE))
    assert {row.twin for row in local} == {row.twin for row in free}
    assert len({row.twin for row in local}) == len(local) == len(free)


def test_coverage_counts_a_place_once_whatever_number_of_passes_shows_it(service: Service) -> None:
    twice = compare(service, chain(), chain()).coverage
    once = compare(service, chain(), chain(), local_error=False).coverage
    assert twice == once


def test_a_fault_shows_locally_at_its_layer_alone_and_accumulated_behind_it(service: Service) -> None:
    report = compare(service, chain(), chain(faults={"1": {"factor": 1.5}}), diff_phase="forward")
    assert blamed(report) == [("block1.first", "output", "")]
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.row.pass_kind) == ("block1.first", Pass.LOCKSTEP)
    behind = differing(rows(report, Pass.FREE))
    assert ("block1.first", "output") in behind
    assert ("block3.second", "output") in behind
    assert differing(rows(report, Pass.LOCKSTEP)) == [("block1.first", "output")]


def test_faults_of_forward_and_backward_are_all_named_and_counted_once(service: Service) -> None:
    faults = {"0": {"gradient": 3.0}, "1": {"between": 1.5}, "3": {"factor": -1.0}}
    report = compare(service, chain(), chain(faults=faults))
    assert ("block1", "input", "between block1.passing#0 and block1.second#0") in blamed(report)
    assert ("block3.first", "output", "") in blamed(report)
    assert ("block0.passing", "input_gradient", "") in blamed(report)
    assert all(row.pass_kind is Pass.LOCKSTEP for row in report.faults)


def test_accumulation_alone_passes_and_says_so(service: Service) -> None:
    sound, rounded = own("Cancelling"), own("Cancelling", rounding=1e-6)
    assert not compare(service, sound, rounded, ALMOST_ONE, local_error=False, diff_phase="forward")
    report = compare(service, sound, rounded, ALMOST_ONE, diff_phase="forward")
    assert report, str(report)
    accumulated = [row for row in rows(report, Pass.FREE) if row.verdict is Verdict.MISMATCH]
    assert accumulated
    assert all("accumulated error" in reason(row) and not row.counts for row in accumulated)
    assert differing(rows(report, Pass.LOCKSTEP)) == []


def test_what_shows_in_the_free_pass_alone_and_cannot_have_grown_there_fails(service: Service) -> None:
    # One call for the trace and one in lockstep come before the free one.
    report = compare(service, own("Remembering"), own("Remembering", factor=1.5), diff_phase="forward")
    assert not report
    assert blamed(report) == [("second", "input", "made by the root, between first#0 and second#0")]
    assert [row.pass_kind for row in report.faults] == [Pass.FREE]
    assert headline(report).text.startswith("FAIL: carried over between steps: forward of step 0")


def test_a_buffer_that_is_slightly_wrong_is_a_fault_and_not_what_its_consequences_accumulate(
    service: Service,
) -> None:
    def averaging(**given: Any) -> Model:
        return own("Averaging", optimizer=SGD, train=True, **given)

    report = compare(service, averaging(), averaging(), steps=3)
    assert report, str(report)
    report = compare(service, averaging(), averaging(factor=1.002), steps=3)
    assert blamed(report) == [("", "buffer", "")]
    assert report.faults[0].step == 0


def test_what_is_no_matter_of_values_counts_in_the_free_pass_too(service: Service) -> None:
    plain = "coordinator_models:Plain"
    report = compare(service, model(plain), model(plain, outputs=3), diff_phase="forward")
    assert not report
    assert [row.verdict for row in report.faults] == [Verdict.UNMATCHED]


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("loss_scale", [1.0, 64.0])
def test_gradients_that_add_up_are_added_to_the_references(
    service: Service, step: int, loss_scale: float
) -> None:
    report = compare(
        service,
        own("OneStepFault", optimizer=SGD, train=True),
        own("OneStepFault", step=step, optimizer=SGD, train=True),
        steps=4,
        keep_going=True,
        accumulate=2,
        loss_scale=loss_scale,
    )
    assert {row.step for row in report.faults} == {step}
    for each in range(4):
        judged = rows(report, Pass.LOCKSTEP, step=each, phase=Phase.GRADIENTS)
        assert judged
        assert bool(differing(judged)) is (each == step)
    drifted = rows(report, Pass.FREE, step=1, phase=Phase.GRADIENTS)
    assert bool(differing(drifted)) is (step < 2)


@pytest.mark.parametrize("optimizer", [SGD, MOMENTUM])
def test_a_fault_in_one_step_does_not_taint_the_next_one(service: Service, optimizer: str) -> None:
    report = compare(
        service,
        own("OneStepFault", optimizer=optimizer, train=True),
        own("OneStepFault", step=1, optimizer=optimizer, train=True),
        steps=3,
        keep_going=True,
    )
    assert not report
    assert [step.passed for step in report.steps] == [True, False, True]
    assert {row.step for row in report.faults} == {1}
    assert differing(rows(report, Pass.LOCKSTEP, step=2)) == []
    drifted = rows(report, Pass.FREE, step=2, phase=Phase.WEIGHTS)
    assert differing(drifted)
    assert all("accumulated error" in reason(row) for row in drifted if row.verdict is Verdict.MISMATCH)


@pytest.mark.parametrize("optimizer", [SGD, MOMENTUM])
def test_the_lockstep_pass_leaves_no_trace_in_the_free_run(service: Service, optimizer: str) -> None:
    given: dict[str, Any] = {"optimizer": optimizer, "train": True}
    report = compare(service, own("Drawing", **given), own("Drawing", **given), steps=3, randomness="report")
    alone = compare(
        service,
        own("Drawing", **given),
        own("Drawing", **given),
        steps=3,
        randomness="report",
        local_error=False,
    )
    assert len(report.steps) == len(alone.steps) == 3
    for step in range(3):
        free = rows(report, Pass.FREE, step=step)
        plain = [row for row in alone.rows if row.step == step and row.phase is not Phase.INITIAL_WEIGHTS]
        assert [(row.phase, row.order, row.figures) for row in free] == [
            (row.phase, row.order, row.figures) for row in plain
        ]


def test_shared_random_decisions_are_the_same_in_both_passes(service: Service) -> None:
    given: dict[str, Any] = {"optimizer": SGD, "train": True}
    report = compare(service, own("Drawing", **given), own("Drawing", **given), steps=2)
    assert report, str(report)
    for step in range(2):
        for kind in Pass:
            assert differing(rows(report, kind, step=step)) == []


def test_one_step_of_backward_judges_gradients_alone(service: Service) -> None:
    report = compare(service, chain(), chain(faults={"1": {"between": 1.5}}), diff_phase="backward")
    assert {row.phase for row in report.faults} == {Phase.BACKWARD}


FUNCTION, HASTY = "local_error_models:function", "local_error_models:hasty_function"


@pytest.mark.parametrize("optimizers", [(FUNCTION, FUNCTION), (FUNCTION, MOMENTUM), (MOMENTUM, FUNCTION)])
def test_an_optimizer_that_is_a_function_steps_in_the_free_pass_alone(
    service: Service, optimizers: tuple[str, str]
) -> None:
    sides = [chain(optimizer=optimizer, train=True) for optimizer in optimizers]
    report = compare(service, *sides, steps=3)
    assert report, str(report)
    assert any("an optimizer is a function" in note for note in report.notes)
    for step in range(3):
        assert {row.phase for row in rows(report, Pass.LOCKSTEP, step=step)} >= {
            *(Phase.FORWARD, Phase.BACKWARD, Phase.GRADIENTS)
        }
        assert rows(report, Pass.LOCKSTEP, step=step, phase=Phase.WEIGHTS) == []
        assert rows(report, Pass.FREE, step=step, phase=Phase.WEIGHTS)
    free, alone = report, compare(service, *sides, steps=3, local_error=False)
    assert [step.loss_candidate for step in free.steps] == [step.loss_candidate for step in alone.steps]


def test_a_function_that_steps_otherwise_fails_at_the_weights_of_the_free_pass(service: Service) -> None:
    report = compare(service, chain(optimizer=FUNCTION), chain(optimizer=HASTY), steps=2)
    assert not report
    assert {(row.phase, row.pass_kind) for row in report.faults} == {(Phase.WEIGHTS, Pass.FREE)}
    assert report.faults[0].step == 0


def test_beside_a_function_that_steps_a_fault_of_the_model_is_found_in_lockstep(service: Service) -> None:
    faulty = chain(faults={"0": {"gradient": 3.0}}, optimizer=FUNCTION)
    report = compare(service, chain(optimizer=FUNCTION), faulty, steps=2)
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.row.phase, first.row.pass_kind) == (
        *("block0.passing", Phase.BACKWARD),
        Pass.LOCKSTEP,
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A coordinator that holds one mebibyte in memory."""
    folder = tmp_path_factory.mktemp("tiny")
    with (
        running(
            "-m", "padiff_server", "--allow-any-worker", "--memory-limit-mib", "1", log=folder / "c.log"
        ) as coordinator,
        running_worker(folder, "reference") as reference,
        running_worker(folder, "candidate") as candidate,
    ):
        yield Service(
            coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
        )


def test_what_is_held_beyond_the_memory_limit_lies_on_disk(tiny: Service) -> None:
    x = np.random.default_rng(1).normal(size=(20_000, 6)).astype(np.float32)
    report = compare(
        tiny, chain(count=6), chain(count=6, faults={"4": {"factor": 1.5}}), x, diff_phase="forward"
    )
    assert blamed(report) == [("block4.first", "output", "")]
    assert ("block5.second", "output") in differing(rows(report, Pass.FREE))


@pytest.mark.parametrize("order", [range(11, -1, -1), (3, 0, 7, 11, 1, 2, 10, 4, 9, 5, 8, 6)])
def test_sides_that_run_in_different_order_never_wait_for_each_other(tiny: Service, order: Any) -> None:
    x = np.random.default_rng(1).normal(size=(20_000, 6)).astype(np.float32)
    report = compare(
        tiny,
        model("lockstep_models:Branches", order=list(range(12))),
        model("lockstep_models:Branches", order=list(order), factors={"5": 1.5}),
        x,
        diff_phase="forward",
    )
    assert blamed(report) == [("branch5", "output", "")]


# The trace is the candidate's first forward call, the pass in lockstep the second, the free one the third.
@pytest.mark.parametrize(("call", "name"), [(2, "in lockstep"), (3, "on the candidate's own values")])
def test_a_worker_that_dies_in_either_pass_ends_with_a_report(
    service: Service, tmp_path: Path, call: int, name: str
) -> None:
    with running_worker(tmp_path, "mortal") as mortal:
        report = compare(
            Service(coordinator=service.coordinator, reference=service.reference, candidate=mortal.address),
            model("fake_models:net"),
            own("Dying", call=call),
            X[:, :4],
            preflight=False,
        )
    [trouble] = report.troubles
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.FORWARD)
    assert any(note == f"step 0 broke off in its pass {name}" for note in report.notes)
    assert bool(rows(report, Pass.LOCKSTEP, phase=Phase.GRADIENTS)) is (call == 3)
    assert "cut short" in str(report)

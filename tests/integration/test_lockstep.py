"""Lockstep across real processes, over the NumPy fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service, running, running_worker

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options, Row
from padiff_rpc.v1.words import CaptureKind, Phase, Side

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def own(name: str, **given: Any) -> Model:
    return model(f"lockstep_models:{name}", **given)


def lockstep(
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
        Options(single_step=True, **given),
        steps=steps,
    )


def failing(report: Report) -> list[Row]:
    return [row for row in report.rows if fails(row)]


def blamed(report: Report) -> list[tuple[str, str, str]]:
    """Path, kind and "between" of every row that fails, in execution order."""
    return [(row.candidate.path, row.kind.value, row.between) for row in failing(report) if row.candidate]


def test_equal_models_pass_with_everything_compared_and_nothing_to_say(service: Service) -> None:
    report = lockstep(service, own("Chain"), own("Chain"))
    assert report, str(report)
    coverage = report.summary.coverage
    assert coverage.tensors_compared == coverage.tensors_total
    assert coverage.calls_compared == coverage.calls_total
    assert report.notes == ()


def test_a_fault_in_a_layer_is_named_there_and_nowhere_else(service: Service) -> None:
    report = lockstep(service, own("Chain"), own("Chain", faults={"1": {"factor": 1.5}}))
    assert not report
    assert [name for name in blamed(report) if name[1] == "output"] == [("block1.first", "output", "")]


def test_a_fault_between_two_layers_is_charged_to_their_parent(service: Service) -> None:
    report = lockstep(
        service, own("Chain"), own("Chain", faults={"1": {"between": 1.5}}), diff_phase="forward"
    )
    between = "between block1.passing#0 and block1.second#0"
    assert blamed(report) == [("block1", "input", between)]
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.phase, first.kind) == ("block1", Phase.FORWARD, CaptureKind.INPUT)


def test_three_faults_are_all_named_in_one_run(service: Service) -> None:
    faults = {"0": {"factor": 1.01}, "1": {"between": 1.5}, "3": {"factor": -1.0}}
    report = lockstep(service, own("Chain"), own("Chain", faults=faults), diff_phase="forward")
    assert blamed(report) == [
        ("block0.first", "output", ""),
        ("block1", "input", "between block1.passing#0 and block1.second#0"),
        ("block3.first", "output", ""),
    ]


def test_a_gradient_fault_is_named_where_it_is_made(service: Service) -> None:
    report = lockstep(service, own("Chain"), own("Chain", faults={"1": {"gradient": 3.0}}))
    assert blamed(report) == [("block1.passing", "input_gradient", "")]


def test_backward_alone_judges_gradients_on_a_synchronised_forward(service: Service) -> None:
    report = lockstep(
        service, own("Chain"), own("Chain", faults={"1": {"between": 1.5}}), diff_phase="backward"
    )
    assert {row.phase for row in failing(report)} == {Phase.BACKWARD}
    assert any("do not count" in note for note in report.notes)


def test_tuples_dicts_shared_layers_and_ignored_return_values(service: Service) -> None:
    assert lockstep(service, own("Pair"), own("Pair"))
    report = lockstep(service, own("Pair"), own("Pair", factor=1.25), diff_phase="forward")
    assert blamed(report) == [("split", "output", "")]


def test_a_view_in_the_wrong_order_does_not_spoil_its_base(service: Service) -> None:
    assert lockstep(service, own("Views"), own("Views"))
    report = lockstep(service, own("Views"), own("Views", turned=True))
    assert blamed(report) == [
        ("view", "output", ""),
        ("", "input_gradient", "in view#0 or last#1, which take the same tensor"),
    ]


def test_one_step_without_an_optimizer_and_both_are_said(service: Service) -> None:
    sgd = "fake_models:sgd"
    report = lockstep(service, own("Chain", optimizer=sgd), own("Chain", optimizer=sgd), steps=3)
    assert report
    assert [step.step for step in report.steps] == [0]
    assert len(report.notes) == 2
    assert all(row.phase is not Phase.WEIGHTS for row in report.rows)


def test_what_has_no_partner_keeps_its_own_and_it_is_said(service: Service) -> None:
    straying = model("coordinator_models:Straying", from_call=99)
    report = lockstep(service, model("coordinator_models:Straying"), straying, X[:, :4])
    assert not report
    [lone] = report.unmatched
    assert (lone.path, lone.call) == ("fc2", 1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A coordinator that holds one mebibyte in memory, and lets as much be on its way."""
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


@pytest.mark.parametrize("order", [range(12), range(11, -1, -1), (3, 0, 7, 11, 1, 2, 10, 4, 9, 5, 8, 6)])
def test_sides_that_run_in_different_order_never_wait_for_each_other(tiny: Service, order: Any) -> None:
    x = np.random.default_rng(1).normal(size=(40_000, 6)).astype(np.float32)
    report = lockstep(
        tiny,
        own("Branches", order=list(range(12))),
        own("Branches", order=list(order), factors={"5": 1.5}),
        x,
        diff_phase="forward",
    )
    assert blamed(report) == [("branch5", "output", "")]


def test_tensors_larger_than_the_limit_pass_one_by_one(tiny: Service) -> None:
    x = np.random.default_rng(1).normal(size=(60_000, 6)).astype(np.float32)
    report = lockstep(tiny, own("Chain", count=6), own("Chain", count=6, inplace=False), x)
    assert report, str(report)


def test_a_reference_that_raises_leaves_the_candidate_its_own_values(service: Service) -> None:
    raising = model("coordinator_models:Raising", from_call=2)
    report = lockstep(service, raising, model("fake_models:net"), X[:, :4], preflight=False)
    [failure] = report.failures
    assert (failure.side, failure.phase) == (Side.REFERENCE, Phase.FORWARD)
    assert failing(report) == []
    assert any(note.startswith("lockstep: values not overridden at fc2#0") for note in report.notes)


def test_a_candidate_that_raises_ends_the_comparison(service: Service) -> None:
    raising = model("coordinator_models:Raising", from_call=2)
    report = lockstep(service, model("fake_models:net"), raising, X[:, :4], preflight=False)
    [failure] = report.failures
    assert (failure.side, failure.phase) == (Side.CANDIDATE, Phase.FORWARD)
    assert failing(report) == []

"""Optimizers looked into across real processes: settings, state, parameters that are not trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from processes import Service
from test_coordinator import compare, model

from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_compare.alignment.align import align
from padiff_compare.alignment.plan import SideTrace
from padiff_compare.model_index import ModelIndex
from padiff_compare.weights.optimizer_flow import OptimizerFlow
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    Model,
    OptimizerDifference,
    OptimizerEntry,
    Options,
    Party,
    Row,
    StatedPairing,
    WorkerAddress,
)
from padiff_rpc.v1.words import CaptureKind, Pass, Phase, Side, Verdict
from padiff_server.links.worker_link import WorkerLink

PARAMETERS = ("fc1.weight", "fc1.bias", "norm.weight", "norm.bias", "fc2.weight", "fc2.bias")


def own(optimizer: str, name: str = "fake_models:net", **given: Any) -> Model:
    return model(name, optimizer=f"optimizer_models:{optimizer}", **given)


def slots(report: Report, step: int = 0) -> list[str]:
    return [
        f"{row.reference.path}.{row.reference.slot}".lstrip(".")
        for row in optimizer_rows(report)
        if row.step == step and row.reference
    ]


def optimizer_rows(report: Report) -> list[Row]:
    return [row for row in report.rows if row.kind is CaptureKind.OPTIMIZER_STATE]


def first(report: Report) -> tuple[Phase, str, str]:
    found = report.first_divergence
    assert found is not None
    assert found.reference is not None
    return found.phase, found.reference.path, found.reference.slot


def test_equal_optimizers_pass_with_all_state_compared_in_every_step(service: Service) -> None:
    report = compare(service, own("momentum"), own("momentum"), steps=3)
    assert report, str(report)
    for step in range(3):
        assert slots(report, step) == ["learning_rate", *(f"{name}.momentum" for name in PARAMETERS), "step"]
    assert all(row.verdict is Verdict.MATCH for row in optimizer_rows(report))
    assert [row.figures.mean_reference for row in optimizer_rows(report) if row.reference.slot == "step"] == [  # type: ignore[union-attr]
        1,
        2,
        3,
    ]
    assert report.optimizer == ()
    assert report.notes == ()


def test_a_learning_rate_that_differs_is_told_before_and_found_after_the_first_step(
    service: Service,
) -> None:
    report = compare(service, own("momentum"), own("faster"), steps=2)
    assert report.optimizer == (OptimizerDifference(name="learning_rate", reference="0.1", candidate="0.2"),)
    assert first(report) == (Phase.OPTIMIZER, "", "learning_rate")
    assert "optimizer  learning_rate is 0.1 in the reference, 0.2 in the candidate" in str(report)
    assert "optimizer: learning_rate is 0.1" in str(report)


def test_parameters_of_a_group_with_another_rate_are_named(service: Service) -> None:
    report = compare(service, own("momentum"), own("faster_in_fc2"))
    names = ("fc2.weight", "fc2.bias")
    assert report.optimizer == (
        OptimizerDifference(name="learning_rate", reference="0.1", candidate="0.2", parameters=names),
    )
    rates = [row for row in optimizer_rows(report) if row.reference.slot.endswith("learning_rate")]  # type: ignore[union-attr]
    assert [(row.reference.path, row.verdict) for row in rates] == [  # type: ignore[union-attr]
        ("fc1", Verdict.MATCH),
        ("fc2", Verdict.MISMATCH),
    ]
    assert "fc2.weight and 1 more: learning_rate is 0.1 in the reference" in str(report)


def test_a_schedule_of_one_side_alone_is_found_in_the_learning_rate(service: Service) -> None:
    report = compare(service, own("momentum"), own("decaying"), steps=3)
    assert report.optimizer == (), "they begin alike"
    assert first(report) == (Phase.OPTIMIZER, "", "learning_rate")


def test_schedules_that_agree_pass(service: Service) -> None:
    assert compare(service, own("decaying"), own("decaying"), steps=3)


def test_a_weight_decay_that_does_not_show_yet_fails(service: Service) -> None:
    report = compare(service, own("sgd"), own("hardly_decaying_weights"), steps=3)
    assert first(report) == (Phase.WEIGHTS, "", "weight_decay")
    assert "optimizer state weight_decay: the values differ" in str(report)
    assert [row.kind for row in report.faults] == [CaptureKind.OPTIMIZER_STATE]
    assert "weight_decay" not in slots(compare(service, own("sgd"), own("sgd")))


@pytest.mark.parametrize("lacking", [Side.REFERENCE, Side.CANDIDATE])
def test_a_parameter_that_one_optimizer_was_not_given_fails_however_short_the_steps(
    service: Service, lacking: Side
) -> None:
    chosen = {side: own("faint_without_fc1" if side is lacking else "faint_sgd") for side in Side}
    report = compare(service, chosen[Side.REFERENCE], chosen[Side.CANDIDATE], steps=2)
    assert [(row.verdict, row.phase) for row in report.faults] == [(Verdict.UNMATCHED, Phase.OPTIMIZER)] * 2
    assert f"the {lacking}'s optimizer was not given this parameter" in str(report)


def test_another_momentum_shows_in_the_state_of_the_second_step(service: Service) -> None:
    report = compare(service, own("momentum"), own("more_momentum"), steps=3)
    [difference] = report.optimizer
    assert (difference.name, difference.reference, difference.candidate) == ("momentum", "0.5", "0.9")
    found = report.first_divergence
    assert found is not None
    assert (found.step, *first(report)) == (1, Phase.OPTIMIZER, "fc1", "weight.momentum")


def test_state_that_is_off_is_found_before_the_weights_that_it_moves(service: Service) -> None:
    report = compare(service, own("momentum"), own("forgetful"), steps=3)
    found = report.first_divergence
    assert found is not None
    assert (found.step, found.phase) == (1, Phase.OPTIMIZER)
    assert "candidate is 1.01 * reference throughout" in " ".join(reason(row) for row in report.faults)


def test_conventions_that_matter_are_told_and_fail_nothing(service: Service) -> None:
    alike = compare(service, own("unlike_conventions"), own("unlike_conventions"))
    assert alike.optimizer == ()
    report = compare(service, own("conventional"), own("unlike_conventions"))
    assert report, str(report)
    assert report.optimizer == (
        OptimizerDifference(
            name="momentum", reference="of one kind", candidate="of another kind", convention=True
        ),
    )
    assert "momentum is of one kind in the reference, of another kind in the candidate" in str(report)


def test_state_that_one_class_alone_keeps_is_noted_and_not_compared(service: Service) -> None:
    report = compare(service, own("momentum"), own("sgd"))
    assert ("momentum", "0.5", "0.0") in [(d.name, d.reference, d.candidate) for d in report.optimizer]
    assert slots(report) == ["learning_rate"]
    assert "not compared: the reference's optimizer keeps momentum, no SGD does" in report.notes


@pytest.mark.parametrize(("reference", "candidate"), [("momentum", "function"), ("function", "momentum")])
def test_of_a_function_that_steps_only_the_weights_are_compared(
    service: Service, reference: str, candidate: str
) -> None:
    report = compare(service, own(reference), own(candidate), steps=2)
    assert report, str(report)
    assert optimizer_rows(report) == []
    assert any(row.phase is Phase.WEIGHTS for row in report.rows)
    side = "reference" if reference == "function" else "candidate"
    assert any(f"the {side}'s optimizer is a function" in note for note in report.notes)


def test_frozen_parameters_are_left_alone_on_both_sides(service: Service) -> None:
    frozen = own("momentum", "optimizer_models:frozen_fc1")
    report = compare(service, frozen, frozen, steps=2)
    assert report, str(report)
    assert not any(slot.startswith("fc1") for slot in slots(report))
    assert not any(
        row.reference and row.reference.path == "fc1" for row in report.rows if row.phase is Phase.GRADIENTS
    )


def test_state_far_above_rounding_fails_although_its_gradient_was_noise(service: Service) -> None:
    faint = own("momentum", "judging_models:Faint"), own("spoiled", "judging_models:Faint", seed=2)
    report = compare(service, *faint, steps=1)
    assert first(report) == (Phase.OPTIMIZER, "faint", "weight.momentum")


@pytest.mark.parametrize("frozen", [Side.REFERENCE, Side.CANDIDATE])
def test_a_parameter_that_one_side_alone_trains_fails_and_says_so(service: Service, frozen: Side) -> None:
    models = {side: own("momentum") for side in Side}
    models[frozen] = own("momentum", "optimizer_models:frozen_fc1")
    report = compare(service, models[Side.REFERENCE], models[Side.CANDIDATE])
    assert not report
    assert first(report) == (Phase.GRADIENTS, "fc1", "weight")
    assert f"frozen on the {frozen}" in str(report)


class Pair:
    """Both workers, loaded, and what carries their optimizers' state."""

    def __init__(self, service: Service, reference: Model, candidate: Model) -> None:
        asked = {
            Side.REFERENCE: (reference, service.reference),
            Side.CANDIDATE: (candidate, service.candidate),
        }
        self.links = {
            side: WorkerLink(side, Party(model=model, worker=WorkerAddress(address=address)), print)
            for side, (model, address) in asked.items()
        }
        for link in self.links.values():
            link.open()
            assert link.load(deterministic=True, threads=0).failure is None
        layers = {side: link.describe() for side, link in self.links.items()}
        sides = [SideTrace(layers=layers[side]) for side in Side]
        plan = plan_weights(align(*sides, StatedPairing()), *layers.values(), StatedPairing())
        models = {side: ModelIndex(layers[side]) for side in Side}
        self.flow = OptimizerFlow(self.links, plan, models, Options())

    def close(self) -> None:
        for link in self.links.values():
            link.close()


@pytest.fixture
def pair(service: Service) -> Iterator[Pair]:
    with closing(Pair(service, own("momentum"), own("more_momentum"))) as made:
        yield made


def entry(parameter: str, state: str = "momentum") -> OptimizerEntry:
    return OptimizerEntry(parameter=parameter, state=state)


def test_the_references_state_is_copied_into_the_candidate(pair: Pair) -> None:
    assert pair.flow.copy() == 0, "there is none yet"
    values = {
        entry("fc1.bias"): HostTensor.from_array(np.arange(8, dtype=np.float32)),
        entry("fc1.bias", "step"): HostTensor.from_array(np.array(7)),
    }
    pair.links[Side.REFERENCE].optimizer.write(values.items(), Phase.OPTIMIZER)
    assert pair.flow.copy() == 2
    read = pair.links[Side.CANDIDATE].optimizer.read(list(values), Phase.OPTIMIZER)
    assert [value.array.tolist() for value in read] == [list(range(8)), 7]


def test_each_local_step_starts_from_the_references_state(service: Service) -> None:
    report = compare(service, own("momentum"), own("forgetful"), steps=4, local_error=True, keep_going=True)
    worst = {
        (row.pass_kind, row.step): row.figures.relative_l2
        for row in report.all_rows
        if row.figures and row.reference and row.reference.slot == "weight.momentum"
    }
    assert worst[Pass.LOCKSTEP, 3] < 0.0101, "1% each time, and no more"
    assert worst[Pass.FREE, 3] > 0.012, "what it was off by before is in it"


def test_state_that_the_candidate_does_not_take_over_is_noted(service: Service) -> None:
    report = compare(service, own("momentum"), own("stubborn"), steps=2, local_error=True)
    assert "the candidate's optimizer cannot take momentum over: its own stayed" in report.notes


def rows_of(pair: Pair) -> Iterator[Row]:
    return pair.flow.rows(0, StepHistory(), pair.flow.describe())


def test_state_that_only_one_sides_optimizer_has_of_a_parameter_fails(pair: Pair) -> None:
    ones = HostTensor.from_array(np.ones(8, np.float32))
    for side, names in ((Side.REFERENCE, ("fc1.bias", "norm.bias")), (Side.CANDIDATE, ("fc1.bias",))):
        values = [(entry(name), ones) for name in names]
        pair.links[side].optimizer.write(values, Phase.OPTIMIZER)
    [row] = [row for row in rows_of(pair) if row.verdict is Verdict.UNMATCHED]
    assert row.counts
    assert row.reference is not None
    assert (row.reference.path, row.reference.slot, row.candidate) == ("norm", "bias.momentum", None)
    assert reason(row) == "no momentum on the candidate: its optimizer has not stepped this parameter"


def test_zeros_that_only_one_side_keeps_are_no_difference(pair: Pair) -> None:
    for side, names in ((Side.REFERENCE, ("fc1.bias", "norm.bias")), (Side.CANDIDATE, ("fc1.bias",))):
        zeros = HostTensor.from_array(np.zeros(8, np.float32))
        pair.links[side].optimizer.write([(entry(name), zeros) for name in names], Phase.OPTIMIZER)
    assert {row.verdict for row in rows_of(pair)} == {Verdict.MATCH}

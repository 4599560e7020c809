"""Whole comparisons across real processes, over the NumPy fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Running, Service, running, running_worker

from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_compare.capture.store import TensorStore
from padiff_compare.run import Storage
from padiff_rpc import trees
from padiff_rpc.convert import to_proto
from padiff_rpc.errors import (
    BusyError,
    CancelledError,
    InvalidRequestError,
    NotFoundError,
    PaDiffError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)
from padiff_rpc.tensors import frames_of
from padiff_rpc.transport import Caller, open_channel, open_server
from padiff_rpc.v1 import coordinator_pb2, coordinator_pb2_grpc, worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    CompareStart,
    IgnoredLayers,
    LayerPair,
    Model,
    Options,
    Party,
    StatedPairing,
    WorkerAddress,
)
from padiff_rpc.v1.words import CaptureKind, Phase, Side, Verdict
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_server.clients import Clients
from padiff_server.servicer import register
from padiff_server.sessions import Sessions
from padiff_server.worker_directory import DialRule, WorkerDirectory

ANY_WORKER = WorkerDirectory(DialRule(allows_any=True))
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def model(name: str = "fake_models:net", **given: Any) -> Model:
    """Returns a model of the fake framework; what is no field of `Model` is an argument of its factory."""
    fields = {field: given.pop(field) for field in ("loss", "optimizer", "train", "dtype") if field in given}
    return Model(framework="fake", model=name, kwargs=trees.pack(given), **fields)


def own(name: str, **given: Any) -> Model:
    return model(f"coordinator_models:{name}", **given)


def start_of(service: Service, reference: Model, candidate: Model, **given: Any) -> CompareStart:
    return CompareStart(
        protocol_version=given.pop("protocol_version", PROTOCOL_VERSION),
        reference=Party(model=reference, worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=candidate, worker=WorkerAddress(address=service.candidate)),
        steps=given.pop("steps", 1),
        auto_weights=given.pop("auto_weights", True),
        layer_map=given.pop("layer_map", StatedPairing()),
        options=Options(**given),
    )


def compare(service: Service, reference: Model, candidate: Model, x: Any = X, **given: Any) -> Report:
    with connect(service.coordinator) as connection:
        return connection.compare(
            start_of(service, reference, candidate, **given), Batches(({"x": x}, {"x": x}))
        )


@pytest.mark.parametrize("trace", ["before", "first_step"])
def test_equal_models_pass_with_everything_compared(service: Service, trace: str) -> None:
    report = compare(service, model(), model(), trace=trace)
    assert report
    coverage = report.summary.coverage
    assert coverage.tensors_compared == coverage.tensors_total == 35
    assert coverage.calls_compared == coverage.calls_total == 5
    assert coverage.parameters_compared == coverage.parameters_total == 6
    assert coverage.buffers_compared == coverage.buffers_total == 2
    assert coverage.root_outputs_compared == coverage.losses_compared == 1


def test_rows_of_backward_run_from_the_loss_to_the_inputs(service: Service) -> None:
    report = compare(service, model(), model())
    backward = [
        (row.reference.path, row.kind.value)
        for row in report.rows
        if row.phase is Phase.BACKWARD and row.reference
    ]
    assert backward[:3] == [("", "output_gradient"), ("fc2", "output_gradient"), ("fc2", "input_gradient")]
    assert backward[-1] == ("fc1", "output_gradient")


@pytest.mark.parametrize("trace", ["before", "first_step"])
def test_a_wrong_epsilon_is_located_at_its_layer(service: Service, trace: str) -> None:
    report = compare(service, model(), model(epsilon=1e-2), trace=trace)
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert first.row.reference is not None
    assert (first.row.phase, first.row.kind) == (Phase.FORWARD, CaptureKind.OUTPUT)
    assert (first.row.reference.path, first.row.reference.class_name) == ("norm", "BatchNorm1D")
    assert first.row.reference.source is not None
    assert (first.cause, first.position, first.compared) == ("value", 13, 33 if trace == "before" else 35)


def test_an_inner_difference_fails_though_the_root_agrees(service: Service) -> None:
    report = compare(service, own("Halved"), own("Halved", factor=4.0), diff_phase="forward")
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert first.row.reference is not None
    assert first.row.reference.path == "up"


def test_one_more_output_is_a_difference_of_structure(service: Service) -> None:
    report = compare(service, own("Plain"), own("Plain", outputs=3))
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert first.cause == "structure"
    assert first.row.candidate is not None
    assert (first.row.candidate.path, first.row.candidate.slot) == ("", "2")


def test_a_model_without_parameters_is_compared_forward_and_says_so(service: Service) -> None:
    report = compare(service, own("Plain"), own("Plain"))
    assert report
    assert report.summary.coverage.parameters_total == 0
    assert any("forward only" in note for note in report.notes)


def test_nan_on_both_sides_fails_at_the_layer_that_made_it(service: Service) -> None:
    report = compare(service, own("NotANumber"), own("NotANumber"))
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert first.cause == "nonfinite"
    assert first.row.reference is not None
    assert (first.row.reference.path, first.row.kind) == ("second", CaptureKind.OUTPUT)


def test_a_missing_bias_fails_before_anything_is_run(service: Service) -> None:
    report = compare(service, model(bias=True), model(bias=False))
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert (first.cause, first.row.phase, first.row.kind) == (
        "missing",
        Phase.INITIAL_WEIGHTS,
        CaptureKind.PARAMETER,
    )
    assert report.summary.coverage.parameters_compared == 5
    assert report.summary.coverage.parameters_total == 6


def test_a_gradient_times_three_is_located_in_backward(service: Service) -> None:
    report = compare(service, model(), model("fake_models:faulty", fault="gradient"))
    first = report.summary.first_divergence
    assert not report
    assert first is not None
    assert first.row.phase is Phase.BACKWARD
    assert first.row.reference is not None
    assert first.row.reference.path == "", "in the code between norm and relu"


def test_another_loss_is_a_difference_of_the_loss(service: Service) -> None:
    report = compare(service, model(loss="fake_models:squares"), model(loss="fake_models:squares_plus_100"))
    first = report.summary.first_divergence
    assert first is not None
    assert first.row.phase is Phase.LOSS
    [step] = report.summary.steps
    assert step.loss_candidate == pytest.approx(step.loss_reference + 100)


def test_a_tuple_and_a_mapping_of_the_same_outputs_have_the_same_default_loss(service: Service) -> None:
    report = compare(service, own("TwoOutputs", as_mapping=False), own("TwoOutputs", as_mapping=True))
    assert report, str(report)
    assert report.coverage.root_outputs_compared == 2


def test_a_loss_that_returns_nothing_is_a_failure_of_the_loss(service: Service) -> None:
    given = model(loss="coordinator_models:no_loss")
    report = compare(service, given, given)
    assert not report
    assert {failure.phase for failure in report.summary.failures} == {Phase.LOSS}
    assert "returned a NoneType" in report.summary.failures[0].text


@pytest.mark.parametrize("field", ["name", "loss", "optimizer"])
def test_a_module_that_raises_at_import_is_a_failure_of_the_load(service: Service, field: str) -> None:
    given = model(**{field: "broken_module:anything"})
    report = compare(service, given, given)
    assert {(failure.phase, failure.text) for failure in report.summary.failures} == {
        (Phase.LOAD, "broken at import")
    }


@pytest.mark.parametrize(
    ("broken", "phase"),
    [
        (own("GivingUp", when="load"), Phase.LOAD),
        (own("GivingUp", when="forward"), Phase.FORWARD),
        (model(loss="coordinator_models:giving_up"), Phase.LOSS),
    ],
)
def test_what_is_raised_past_every_except_is_a_failure_all_the_same(
    service: Service, broken: Model, phase: Phase
) -> None:
    report = compare(service, broken, broken)
    assert {(failure.phase, failure.exception) for failure in report.summary.failures} == {(phase, "GivesUp")}


def test_buffers_are_compared_after_a_forward_pass_in_train_mode(service: Service) -> None:
    report = compare(service, model(train=True), model(train=True, momentum=0.9))
    first = report.summary.first_divergence
    assert first is not None
    assert (first.row.phase, first.row.kind) == (Phase.WEIGHTS, CaptureKind.BUFFER)


def test_steps_end_at_the_first_that_differs(service: Service) -> None:
    report = compare(
        service,
        model(optimizer="fake_models:sgd"),
        model(optimizer="fake_models:sgd_with_decay"),
        steps=5,
    )
    first = report.summary.first_divergence
    assert first is not None
    assert (first.row.step, first.row.phase) == (0, Phase.WEIGHTS)
    assert [step.step for step in report.summary.steps] == [0]
    assert any("stopped after step 0" in note for note in report.notes)


@pytest.mark.parametrize("trace", ["before", "first_step"])
def test_equal_models_agree_through_several_steps(service: Service, trace: str) -> None:
    sgd = partial(model, optimizer="fake_models:sgd", loss="fake_models:squares")
    report = compare(service, sgd(), sgd(), steps=3, trace=trace)
    assert report
    assert [step.passed for step in report.summary.steps] == [True, True, True]
    assert report.summary.coverage.losses_compared == 3


def test_without_auto_weights_the_models_own_weights_are_compared(service: Service) -> None:
    report = compare(service, model(width=6), model(width=6), auto_weights=False)
    assert report, "the same seed makes the same weights"
    other = compare(
        service, model(), Model(framework="fake", model="fake_models:net", seed=1), auto_weights=False
    )
    assert other.summary.first_divergence is not None
    assert other.summary.first_divergence.row.phase is Phase.INITIAL_WEIGHTS


def test_an_ignored_layer_does_not_fail(service: Service) -> None:
    ignored = IgnoredLayers(reference=("norm",), candidate=("norm",))
    report = compare(service, model(), model(epsilon=1e-2), layer_map=StatedPairing(ignored=ignored))
    first = report.summary.first_divergence
    assert first is not None
    assert first.row.reference is not None
    assert first.row.reference.path == "", "what the root hands on behind it still shows the difference"


def test_calls_that_the_trace_did_not_have_are_reported(service: Service) -> None:
    report = compare(service, own("Straying", from_call=99), own("Straying"))
    assert not report
    [lone] = report.summary.unmatched
    assert (lone.side, lone.what, lone.path, lone.call, lone.counts) == (
        Side.CANDIDATE,
        "call",
        "fc2",
        1,
        True,
    )


def test_calls_off_plan_on_both_sides_are_compared_and_flagged(service: Service) -> None:
    report = compare(service, own("Straying"), own("Straying"))
    flagged = [row for row in report.rows if reason(row).startswith("off plan")]
    assert report
    assert {(row.reference.path, row.reference.call) for row in flagged if row.reference} == {("fc2", 1)}


class TestSpecialInitialisers:
    def map_with(self, function: str) -> StatedPairing:
        pair = LayerPair(reference="fc1", candidate="fc1", special_init=f"coordinator_models:{function}")
        return StatedPairing(pairs=(pair,))

    def test_carry_weights_over_and_are_verified_at_every_step(self, service: Service) -> None:
        sgd = partial(model, optimizer="fake_models:sgd")
        report = compare(service, sgd(), sgd(), steps=2, layer_map=self.map_with("carry"))
        assert report
        carried = [
            row
            for row in report.rows
            if str(row.rule) == "coordinator_models:carry" and row.kind is CaptureKind.PARAMETER
        ]
        assert [(row.step, row.phase) for row in carried] == [
            (0, Phase.INITIAL_WEIGHTS),
            (0, Phase.INITIAL_WEIGHTS),
            (0, Phase.WEIGHTS),
            (0, Phase.WEIGHTS),
            (1, Phase.WEIGHTS),
            (1, Phase.WEIGHTS),
        ]

    def test_fail_where_they_leave_a_weight_out(self, service: Service) -> None:
        report = compare(service, model(), model(), layer_map=self.map_with("carry_half"))
        first = report.summary.first_divergence
        assert first is not None
        assert (first.cause, first.row.phase) == ("missing", Phase.INITIAL_WEIGHTS)
        assert first.row.candidate is not None
        assert first.row.candidate.slot == "bias"

    def test_that_raise_are_failures_of_the_candidate(self, service: Service) -> None:
        report = compare(service, model(), model(), layer_map=self.map_with("carry_nothing"))
        [failure] = report.summary.failures
        assert (failure.side, failure.phase, failure.exception) == (
            Side.CANDIDATE,
            Phase.INITIAL_WEIGHTS,
            "KeyError",
        )


class TestModelsThatRaise:
    def test_a_raising_forward_keeps_what_came_before(self, service: Service) -> None:
        report = compare(service, model(), own("Raising"))
        [failure] = report.summary.failures
        assert (failure.side, failure.phase, failure.exception) == (
            Side.CANDIDATE,
            Phase.FORWARD,
            "ValueError",
        )
        assert "coordinator_models" in failure.traceback
        outputs = [row for row in report.rows if row.kind is CaptureKind.OUTPUT and row.reference]
        assert [row.reference.path for row in outputs if row.reference] == ["fc1", "norm", "relu"]
        assert all(row.verdict is Verdict.MATCH for row in outputs)

    def test_a_forward_that_raises_in_a_step_alone_is_reported_with_the_step(self, service: Service) -> None:
        sgd = "fake_models:sgd"
        report = compare(
            service,
            own("Raising", from_call=9, optimizer=sgd),
            own("Raising", from_call=4, optimizer=sgd),
            steps=3,
            preflight=False,
        )
        [failure] = report.summary.failures
        assert (failure.phase, failure.step) == (Phase.FORWARD, 1)

    def test_both_sides_may_raise(self, service: Service) -> None:
        report = compare(service, own("Raising"), own("Raising"))
        assert [failure.side for failure in report.summary.failures] == [Side.REFERENCE, Side.CANDIDATE]

    def test_a_raising_factory_is_a_failure_of_the_load(self, service: Service) -> None:
        report = compare(service, model("fake_models:raising"), model())
        [failure] = report.summary.failures
        assert (failure.side, failure.phase, failure.text) == (Side.REFERENCE, Phase.LOAD, "no such luck")


class TestBadRequests:
    @pytest.mark.parametrize(
        ("reference", "given", "text"),
        [
            (model(loss="fake_models:squares"), {}, "candidate.loss"),
            (model(optimizer="fake_models:sgd"), {}, "candidate.optimizer"),
            (model(), {"steps": 0}, "steps"),
            (model(), {"steps": 2}, "optimizer"),
            (model("fake_models:not_a_model"), {}, "which is no fake model"),
            (model("fake_models:absent"), {}, "absent"),
            (Model(framework="torch", model="fake_models:net"), {}, "torch"),
            (
                model(),
                {"layer_map": StatedPairing(pairs=(LayerPair(reference="fc9", candidate="fc1"),))},
                "fc9",
            ),
        ],
    )
    def test_is_one_clear_line(
        self, service: Service, reference: Model, given: dict[str, Any], text: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=text) as caught:
            compare(service, reference, model(), **given)
        assert "\n" not in str(caught.value)

    def test_another_protocol_version_is_refused(self, service: Service) -> None:
        with pytest.raises(StateError, match="protocol version 99"):
            compare(service, model(), model(), protocol_version=99)

    def test_one_worker_cannot_play_both_sides(self, service: Service) -> None:
        both = Service(
            coordinator=service.coordinator, reference=service.reference, candidate=service.reference
        )
        with pytest.raises(InvalidRequestError, match="a worker of its own"):
            compare(both, model(), model())

    def test_an_unreachable_worker_is_named(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        nowhere = Service(
            coordinator=service.coordinator, reference=service.reference, candidate="unix:/tmp/nowhere"
        )
        with pytest.raises(
            WorkerLostError, match="the candidate worker at unix:/tmp/nowhere cannot be reached"
        ):
            compare(nowhere, model(), model())

    def test_an_unknown_report_is_not_found(self, service: Service) -> None:
        with open_channel(service.coordinator) as channel:
            caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer="the coordinator")
            with pytest.raises(NotFoundError, match="session"):
                next(caller.GetReport(coordinator_pb2.GetReportRequest(session="no")))


def test_forced_combinations_are_said(service: Service) -> None:
    sgd = partial(model, optimizer="fake_models:sgd")
    report = compare(service, sgd(), sgd(), steps=3, diff_phase="forward")
    assert report
    assert len(report.summary.notes) == 2
    assert {row.phase for row in report.rows} == {
        Phase.INITIAL_WEIGHTS,
        Phase.INPUTS,
        Phase.FORWARD,
        Phase.WEIGHTS,
    }
    assert {row.kind for row in report.rows if row.phase is Phase.WEIGHTS} == {CaptureKind.BUFFER}


def test_a_finished_report_can_be_had_again(service: Service) -> None:
    report = compare(service, model(), model())
    with open_channel(service.coordinator) as channel:
        caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer="the coordinator")
        responses = list(caller.GetReport(coordinator_pb2.GetReportRequest(session=report.summary.session)))
    assert sum(len(response.rows.rows) for response in responses) == len(report.all_rows)
    assert responses[-1].summary == to_proto(report.summary)


def test_a_batch_that_the_client_cannot_make_ends_the_comparison(service: Service) -> None:
    sgd = partial(model, optimizer="fake_models:sgd")
    with connect(service.coordinator) as connection:
        batches = Batches(([{"x": X}], [{"x": X}]))
        report = connection.compare(start_of(service, sgd(), sgd(), steps=2), batches)
    [trouble] = report.summary.troubles
    assert (trouble.phase, trouble.step, trouble.side) == (Phase.INPUTS, 1, None)
    assert [step.step for step in report.summary.steps] == [0]


def test_assigned_weights_are_verified_and_what_has_no_place_is_told(service: Service) -> None:
    request = AssignWeightsRequest(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=model(), worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=model(bias=False), worker=WorkerAddress(address=service.candidate)),
    )
    with connect(service.coordinator) as connection:
        report = connection.assign_weights(request)
    assert not report
    [lone] = report.summary.unmatched
    assert (lone.side, lone.path, lone.name) == (Side.REFERENCE, "fc2", "bias")
    assert sum(row.verdict is Verdict.MATCH for row in report.rows) == 7


def test_the_workers_are_free_when_the_client_leaves(service: Service) -> None:
    start = to_proto(start_of(service, model(), model()))
    hold = threading.Event()

    def requests() -> Iterator[Any]:
        yield coordinator_pb2.CompareRequest(start=start)
        hold.wait(30)

    with open_channel(service.coordinator) as channel:
        caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer="the coordinator")
        with caller.Compare(requests()) as responses:
            while next(responses).WhichOneof("part") != "batch_wanted":
                pass
            with pytest.raises(BusyError):
                compare(service, model(), model())
    hold.set()
    for address in (service.reference, service.candidate):
        _wait_until_free(address)


def test_a_step_ends_at_its_next_hook_when_the_client_leaves(service: Service) -> None:
    start = to_proto(start_of(service, own("Slow"), own("Slow"), trace="first_step"))
    batch = Batches(({"x": X}, {"x": X})).encoded(0)

    def requests() -> Iterator[Any]:
        yield coordinator_pb2.CompareRequest(start=start)
        yield coordinator_pb2.CompareRequest(batch=to_proto(batch.batch))
        for number, tensor in batch.tensors:
            for frame in frames_of(number, tensor):
                yield coordinator_pb2.CompareRequest(frame=frame)
        yield coordinator_pb2.CompareRequest(batch_end=coordinator_pb2.BatchEnd())

    with open_channel(service.coordinator) as channel:
        caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer="the coordinator")
        with caller.Compare(requests()) as responses:
            forward = coordinator_pb2.Progress(phase="PHASE_FORWARD").phase
            while next(responses).progress.phase != forward:
                pass
    for address in (service.reference, service.candidate):
        _wait_until_free(address)


def _wait_until_free(address: str) -> None:
    with open_channel(address) as channel:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
        for _ in range(200):
            try:
                with caller.Lease(worker_pb2.LeaseRequest(protocol_version=PROTOCOL_VERSION)) as lease:
                    assert next(lease).lease
                    return
            except (BusyError, CancelledError, WorkerLostError):  # the address passes on meanwhile
                threading.Event().wait(0.05)
    raise AssertionError(f"{address} is still leased")


class TestWorkersThatDie:
    """Each test has a candidate of its own, which it kills."""

    @pytest.fixture
    def mortal(self, tmp_path: Path) -> Iterator[Service]:
        log = tmp_path / "coordinator.log"
        with (
            running("-m", "padiff_server", "--allow-any-worker", log=log) as coordinator,
            running_worker(tmp_path, "candidate") as candidate,
            running_worker(tmp_path, "reference") as reference,
        ):
            yield Service(
                coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
            )
        assert "Traceback" not in log.read_text()

    @pytest.mark.parametrize("when", ["load", "trace", "forward", "backward"])
    def test_the_phase_and_the_side_are_named(self, mortal: Service, when: str) -> None:
        report = compare(mortal, own("Dying"), own("Dying", when=when), preflight=False)
        [trouble] = report.summary.troubles
        assert (trouble.side, trouble.phase, trouble.step) == (Side.CANDIDATE, Phase(when), 0)
        assert not report
        if when == "backward":
            outputs = [row for row in report.rows if row.phase is Phase.FORWARD]
            assert len(outputs) == 11
            assert all(row.verdict is Verdict.MATCH for row in outputs)

    def test_a_death_in_the_loss_is_one(self, mortal: Service) -> None:
        report = compare(
            mortal, model(loss="coordinator_models:plain_loss"), model(loss="coordinator_models:deadly_loss")
        )
        [trouble] = report.summary.troubles
        assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.LOSS)

    def test_a_death_in_the_optimizer_keeps_the_gradients(self, mortal: Service) -> None:
        report = compare(
            mortal,
            model(optimizer="coordinator_models:plain_optimizer"),
            model(optimizer="coordinator_models:deadly_optimizer"),
        )
        [trouble] = report.summary.troubles
        assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.OPTIMIZER)
        assert sum(row.kind is CaptureKind.PARAMETER_GRADIENT for row in report.rows) == 6

    def test_both_deaths_are_told(self, mortal: Service) -> None:
        dying = own("Dying", when="forward")
        report = compare(mortal, dying, dying, preflight=False)
        assert [trouble.side for trouble in report.summary.troubles] == [Side.REFERENCE, Side.CANDIDATE]


@contextmanager
def own_coordinator(store: TensorStore) -> Iterator[str]:
    with open_server(
        "127.0.0.1:0", partial(register, Sessions(Storage(tensors=store), ANY_WORKER), Clients(), (), 0)
    ) as address:
        yield address


def test_captures_of_ten_times_the_limit_are_compared_within_it(service: Service, tmp_path: Path) -> None:
    limit = 4 << 20
    x = np.random.default_rng(0).normal(size=(256, 1024)).astype(np.float32)
    with TensorStore(limit, tmp_path) as store, own_coordinator(store) as address:
        small = Service(coordinator=address, reference=service.reference, candidate=service.candidate)
        for trace in ("before", "first_step"):
            report = compare(small, own("Wide"), own("Wide"), x, diff_phase="forward", trace=trace)
            assert report
            traffic = sum(part.bytes for part in report.summary.traffic if part.phase is Phase.FORWARD)
            assert traffic > 10 * limit
        assert store.peak_in_memory_bytes <= limit
        assert store.in_memory_bytes == store.spilled_bytes == 0
    assert not list(tmp_path.iterdir())


def test_a_batch_counts_against_the_limit_and_lies_on_disk_beyond_it(
    service: Service, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).normal(size=(256, 1024)).astype(np.float32)
    with TensorStore(4096, tmp_path) as store, own_coordinator(store) as address:
        small = Service(coordinator=address, reference=service.reference, candidate=service.candidate)
        assert compare(small, own("Wide"), own("Wide"), x, diff_phase="forward", steps=2)
        assert store.peak_in_memory_bytes <= 4096
        assert store.in_memory_bytes == store.spilled_bytes == 0
        with TensorStore(4096, tmp_path / "missing") as full, own_coordinator(full) as address:
            small = Service(coordinator=address, reference=service.reference, candidate=service.candidate)
            with pytest.raises(BusyError, match="no room for a tensor"):
                compare(small, own("Wide"), own("Wide"), x, diff_phase="forward")


def test_a_token_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADIFF_TOKEN", "secret")
    with running(
        "-m", "padiff_server", "--allow-any-worker", log=tmp_path / "coordinator.log"
    ) as coordinator:
        with pytest.raises(UnauthenticatedError):
            connect(coordinator.address).__enter__()
        with connect(coordinator.address, token="secret"):
            pass


def test_a_taken_port_is_one_clear_line(service: Service) -> None:
    with pytest.raises(PaDiffError, match="taken"), own_coordinator_at(service.coordinator):
        pass


@contextmanager
def own_coordinator_at(address: str) -> Iterator[str]:
    with (
        TensorStore(1) as store,
        open_server(
            address, partial(register, Sessions(Storage(tensors=store), ANY_WORKER), Clients(), (), 0)
        ) as bound,
    ):
        yield bound


def test_a_coordinator_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with running(
        "-m", "padiff_server", "--allow-any-worker", log=tmp_path / "coordinator.log"
    ) as coordinator:
        _check_ends(coordinator)


def _check_ends(coordinator: Running) -> None:
    coordinator.process.terminate()
    assert coordinator.process.wait(10) == 0

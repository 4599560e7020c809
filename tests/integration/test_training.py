"""Training loops across real processes, over the NumPy fake."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pytest
from comparisons import compare_on
from processes import Service

from padiff_client.link import Batches, connect
from padiff_client.render import headline
from padiff_client.report import Report
from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Model, Options, Party, PlanStart, Row, WorkerAddress
from padiff_rpc.v1.words import CaptureKind, DType, NoteKind, Pass, Phase, Side
from padiff_rpc.version import PROTOCOL_VERSION

FIELDS = ("loss", "optimizer", "loader", "train_step", "train", "autocast")


def model(name: str = "small", **given: Any) -> Model:
    """Returns a model of `training_models`; references without a module are of it too."""
    fields = {field: given.pop(field) for field in FIELDS if field in given}
    for field in ("loss", "optimizer", "loader", "train_step"):
        if fields.get(field) and ":" not in fields[field]:
            fields[field] = f"training_models:{fields[field]}"
    return Model(
        framework="fake",
        model=name if ":" in name else f"training_models:{name}",
        kwargs=trees.pack(given),
        **fields,
    )


def trained(name: str = "small", **given: Any) -> Model:
    """Returns a model with a loader, a loss and an optimizer."""
    return model(
        name,
        **{"loader": "pairs", "loss": "fake_models:against", "optimizer": "plain_sgd", **given},
    )


def stepped(train_step: str = "step", name: str = "small", **given: Any) -> Model:
    """Returns a model with a loader, a train step and an optimizer."""
    return model(name, **{"loader": "pairs", "train_step": train_step, "optimizer": "plain_sgd", **given})


def compare(
    service: Service,
    reference: Model,
    candidate: Optional[Model] = None,
    *,
    steps: int = 1,
    batches: Optional[Batches] = None,
    **options: Any,
) -> Report:
    return compare_on(
        service,
        reference,
        candidate or reference,
        batches,
        Options(**{"preflight": False, **options}),
        steps=steps,
    )


def rows(report: Report, kind: CaptureKind, step: int = 0) -> list[Row]:
    return [row for row in report.rows if row.kind is kind and row.step == step]


def means(report: Report, kind: CaptureKind, step: int) -> list[float]:
    """The reference's mean of each such tensor of a step, in order."""
    found = [row for row in rows(report, kind, step) if row.phase is not Phase.INITIAL_WEIGHTS]
    return [row.figures.mean_reference for row in found if row.figures]


class TestLoaders:
    @pytest.mark.parametrize("loader", ["pairs", "tensors", "spelled_out"])
    def test_each_step_takes_the_next_batch(self, service: Service, loader: str) -> None:
        report = compare(service, trained(loader=loader), steps=3)
        assert report, str(report)
        losses = [step.loss_reference for step in report.steps]
        assert len(set(losses)) == 3
        again = compare(service, trained(), steps=3)
        assert losses == [step.loss_reference for step in again.steps]

    def test_the_trace_takes_no_batch_from_the_first_step(self, service: Service) -> None:
        traced = compare(service, trained(), steps=2)
        untraced = compare(service, trained(), steps=2, trace="first_step")
        assert [step.loss_reference for step in traced.steps] == [
            step.loss_reference for step in untraced.steps
        ]

    @pytest.mark.parametrize("loader", ["named", "lone"])
    def test_dicts_are_keywords_and_lone_tensors_one_argument(self, service: Service, loader: str) -> None:
        report = compare(service, model(loader=loader))
        assert report, str(report)
        slot = "x" if loader == "named" else "0"
        assert [row.reference.slot for row in report.rows if row.phase is Phase.INPUTS and row.reference] == [
            slot
        ]

    def test_both_passes_of_a_step_take_the_same_batch(self, service: Service) -> None:
        report = compare(service, trained(), steps=3, local_error=True)
        assert report, str(report)
        assert len({step.loss_reference for step in report.steps}) == 3

    def test_inputs_that_differ_show_as_inputs(self, service: Service) -> None:
        report = compare(service, trained(), trained(loader="other_inputs"), steps=5, preflight=True)
        assert [(one.differs, one.relative_l2) for one in report.noise] == [(False, 0.0)] * 2
        first = report.first_divergence
        assert first is not None
        assert (first.step, first.phase, first.kind) == (2, Phase.INPUTS, CaptureKind.INPUT)

    def test_targets_that_differ_show_as_targets(self, service: Service) -> None:
        report = compare(service, trained(), trained(loader="other_targets"), steps=5)
        first = report.first_divergence
        assert first is not None
        assert (first.step, first.phase, first.kind) == (1, Phase.INPUTS, CaptureKind.TARGET)
        assert "target 0" in str(report)

    def test_a_loader_that_ends_early_ends_the_comparison_with_what_there_was(self, service: Service) -> None:
        report = compare(service, trained(loader="three"), trained(), steps=5)
        assert [step.passed for step in report.steps] == [True] * 3
        assert [trouble.text for trouble in report.troubles] == [
            "the reference's loader ended after 3 batches, and 5 steps were asked for"
        ]
        assert report.exit_code == 2

    def test_a_loader_that_raises_is_a_failure_of_its_step(self, service: Service) -> None:
        report = compare(service, trained(), trained(loader="raising_third"), steps=5)
        assert [step.passed for step in report.steps] == [True] * 2
        [failure] = report.failures
        assert (failure.side, failure.phase, failure.step) == (Side.CANDIDATE, Phase.INPUTS, 2)
        assert failure.text == "the disk is gone"
        assert "raising_third" in failure.traceback

    @pytest.mark.parametrize(
        ("loader", "said"),
        [
            ("raising", "no such folder"),
            ("nothing_to_iterate", "'training_models:nothing_to_iterate' returned a int"),
            ("texts", "'training_models:texts' gave a str as batch 0"),
        ],
    )
    def test_what_is_no_loader_is_said_by_its_name(self, service: Service, loader: str, said: str) -> None:
        report = compare(service, trained(loader=loader))
        assert {(failure.phase, failure.side) for failure in report.failures} == {
            (Phase.INPUTS, Side.REFERENCE),
            (Phase.INPUTS, Side.CANDIDATE),
        }
        assert said in report.failures[0].text

    def test_a_loader_on_one_side_only_is_refused(self, service: Service) -> None:
        with pytest.raises(InvalidRequestError, match=r"candidate\.loader: give one for both sides"):
            compare(service, trained(), trained(loader=""))

    def test_the_plan_is_made_on_the_loaders_first_batches(self, service: Service) -> None:
        start = PlanStart(
            protocol_version=PROTOCOL_VERSION,
            reference=Party(model=trained(), worker=WorkerAddress(address=service.reference)),
            candidate=Party(model=trained(), worker=WorkerAddress(address=service.candidate)),
        )
        with connect(service.coordinator) as connection:
            report = connection.plan(start, None)
        assert [pair.calls for pair in report.plan] == [1, 1, 1, 1]


class TestAccumulation:
    def test_the_optimizer_steps_once_in_so_many_steps(self, service: Service) -> None:
        report = compare(service, trained(), steps=4, accumulate=2)
        assert report, str(report)
        assert {row.step for row in report.rows if row.phase is Phase.WEIGHTS} == {1, 3}
        assert {row.step for row in report.rows if row.phase is Phase.GRADIENTS} == {0, 1, 2, 3}

    def test_two_halves_make_the_same_step_as_the_whole_batch(self, service: Service) -> None:
        whole = compare(service, trained(), steps=2)
        halves = compare(service, trained(loader="halves"), steps=4, accumulate=2)
        for kind in (CaptureKind.PARAMETER_GRADIENT, CaptureKind.PARAMETER):
            for step in (0, 1):
                assert means(halves, kind, 2 * step + 1) == pytest.approx(
                    means(whole, kind, step), rel=1e-5, abs=1e-7
                )

    def test_gradients_add_up(self, service: Service) -> None:
        report = compare(service, trained(loader="halves"), steps=2, accumulate=2)
        alone = compare(service, trained(loader="halves"), steps=1)
        first, second = (means(report, CaptureKind.PARAMETER_GRADIENT, step) for step in (0, 1))
        assert first == pytest.approx([mean / 2 for mean in means(alone, CaptureKind.PARAMETER_GRADIENT, 0)])
        assert first != pytest.approx(second)

    def test_a_loss_that_divides_by_the_number_of_steps_itself_fails(self, service: Service) -> None:
        twice = trained(loss="training_models:halved")
        report = compare(service, trained(), twice, steps=4, accumulate=2)
        first = report.first_divergence
        assert first is not None
        assert first.phase is Phase.LOSS

    def test_steps_left_over_are_said(self, service: Service) -> None:
        report = compare(service, trained(), steps=3, accumulate=2)
        assert report
        assert any("3 steps are no multiple of 2" in note for note in report.notes)

    def test_it_needs_an_optimizer(self, service: Service) -> None:
        with pytest.raises(
            InvalidRequestError, match=r"options\.accumulate: gradients add up for an optimizer"
        ):
            compare(service, trained(optimizer=""), accumulate=2)


class TestClippingAndScaling:
    def test_gradients_are_clipped_behind_their_comparison(self, service: Service) -> None:
        plain = compare(service, trained())
        clipped = compare(service, trained(), clip_norm=0.01)
        assert clipped, str(clipped)
        for kind, same in ((CaptureKind.PARAMETER_GRADIENT, True), (CaptureKind.PARAMETER, False)):
            assert (means(clipped, kind, 0) == means(plain, kind, 0)) is same

    @pytest.mark.parametrize("optimizer", ["plain_sgd", "functional_sgd"])
    def test_a_loss_scale_changes_no_bit_of_what_is_compared(self, service: Service, optimizer: str) -> None:
        plain = compare(service, trained(optimizer=optimizer), steps=2)
        scaled = compare(service, trained(optimizer=optimizer), steps=2, loss_scale=1024)
        assert scaled, str(scaled)
        for kind in CaptureKind:
            for step in (0, 1):
                assert means(scaled, kind, step) == means(plain, kind, step), kind

    def test_a_loss_scale_goes_with_lockstep_and_accumulation(self, service: Service) -> None:
        assert compare(service, trained(), single_step=True, loss_scale=64)
        assert compare(service, trained(), steps=4, accumulate=2, loss_scale=64, clip_norm=0.1)

    def test_clipping_without_an_optimizer_is_said(self, service: Service) -> None:
        report = compare(service, trained(optimizer=""), clip_norm=1.0)
        assert any(note.startswith("clip_norm: no optimizer stepped") for note in report.notes)


class TestAutocast:
    def test_forward_and_loss_run_under_it_and_are_captured_as_they_are(self, service: Service) -> None:
        report = compare(service, trained(autocast=DType.FLOAT16))
        assert report, str(report)
        specs = {
            row.reference.path: row.reference.spec.dtype
            for row in rows(report, CaptureKind.INPUT)
            if row.reference and row.reference.spec
        }
        assert (specs["fc1"], specs["relu"]) == (DType.FLOAT32, DType.FLOAT16)
        plain = compare(service, trained())
        assert report.steps[0].loss_reference != plain.steps[0].loss_reference

    def test_on_one_side_only_it_is_a_difference(self, service: Service) -> None:
        assert not compare(service, trained(autocast=DType.FLOAT16), trained())

    def test_a_dtype_without_autocast_is_refused_by_side_and_field(self, service: Service) -> None:
        with pytest.raises(InvalidRequestError, match=r"autocast: the fake framework has none to bfloat16"):
            compare(service, trained(), trained(autocast=DType.BFLOAT16))


class TestTrainStep:
    def test_it_runs_in_lockstep_and_freely_and_leaves_one_step_behind(self, service: Service) -> None:
        report = compare(service, stepped(), steps=3, floor="measured")
        assert report, str(report)
        assert {row.pass_kind for row in report.all_rows if row.phase is Phase.FORWARD} == set(Pass)
        assert sum(note.kind is NoteKind.GOLD for note in report.summary.notes) == 3
        freely = compare(service, stepped(), steps=3, local_error=False)
        assert [step.loss_candidate for step in report.steps] == [
            step.loss_candidate for step in freely.steps
        ]

    def test_gradients_that_it_forgets_to_clear_fail_in_the_step_behind(self, service: Service) -> None:
        report = compare(service, stepped(), stepped("step_forgetting_to_clear"), steps=3)
        first = report.first_divergence
        assert first is not None
        assert (first.step, first.phase) == (1, Phase.GRADIENTS)

    def test_one_that_steps_by_a_function_is_judged_freely_and_it_is_said(self, service: Service) -> None:
        report = compare(service, stepped("step_with_a_function", optimizer="functional_sgd"), steps=2)
        assert report, str(report)
        assert headline(report).text == "PASS: the models agree; judged freely"

    def test_it_is_compared_as_the_built_in_step_is(self, service: Service) -> None:
        built_in = compare(service, trained(), steps=3)
        own = compare(service, stepped(), steps=3)
        assert own, str(own)
        assert [step.loss_reference for step in own.steps] == [step.loss_reference for step in built_in.steps]
        for kind in (CaptureKind.OUTPUT, CaptureKind.PARAMETER_GRADIENT, CaptureKind.PARAMETER):
            for step in range(3):
                assert means(own, kind, step) == means(built_in, kind, step)
        assert own.coverage.losses_compared == 3

    def test_a_function_for_an_optimizer_and_a_number_for_a_loss_will_do(self, service: Service) -> None:
        report = compare(service, stepped("step_with_a_function", optimizer="functional_sgd"), steps=2)
        assert report, str(report)
        assert report.coverage.losses_compared == 2
        assert len(rows(report, CaptureKind.PARAMETER_GRADIENT, 1)) == 4

    def test_the_clients_batches_come_in_the_shape_that_a_loader_gives(self, service: Service) -> None:
        x = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
        given = model(train_step="step_by_keywords", optimizer="plain_sgd")
        report = compare(service, given, batches=Batches(({"x": x}, {"x": x})), steps=2)
        assert report, str(report)
        assert report.coverage.losses_total == 0

    def test_gradients_that_came_without_a_backward_are_compared_and_it_is_said(
        self, service: Service
    ) -> None:
        report = compare(service, stepped("step_without_a_backward"))
        assert report, str(report)
        assert len(rows(report, CaptureKind.PARAMETER_GRADIENT)) == 2
        assert report.notes[-2:] == tuple(
            f"the {side}'s gradients were compared at the parameters only: the train step called no backward"
            for side in Side
        )

    def test_a_gradient_that_it_changes_is_found_before_the_optimizer_steps(self, service: Service) -> None:
        report = compare(service, stepped(), stepped("step_forgetting_to_divide"))
        failing = [
            row.reference.path for row in report.faults if row.phase is Phase.GRADIENTS and row.reference
        ]
        assert failing == ["fc2"]

    def test_several_passes_and_backwards_in_one_step_are_compared(self, service: Service) -> None:
        report = compare(service, stepped("step_in_two_goes"), steps=2)
        assert report, str(report)
        calls = {row.reference.call for row in rows(report, CaptureKind.OUTPUT, 1) if row.reference}
        assert calls == {0, 1}
        assert {
            row.reference.call for row in rows(report, CaptureKind.OUTPUT_GRADIENT, 1) if row.reference
        } == {
            0,
            1,
        }

    def test_a_fault_in_the_second_pass_is_located_there(self, service: Service) -> None:
        report = compare(
            service, stepped("step_in_two_goes"), stepped("step_in_two_goes", "Drifting"), trace="first_step"
        )
        assert report
        report = compare(
            service, stepped("step_in_two_goes"), stepped("step_in_two_goes", "Drifting"), steps=3
        )
        first = report.first_divergence
        assert first is not None
        assert (first.path, first.step, first.call) == ("", 1, 0)

    def test_a_step_that_never_calls_the_root_is_compared_by_its_layers_and_its_loss(
        self, service: Service
    ) -> None:
        report = compare(service, stepped("step_of_layers"), steps=2)
        assert report, str(report)
        assert report.coverage.root_outputs_total == 0
        assert report.coverage.calls_compared == report.coverage.calls_total == 3

    def test_recomputation_in_a_step_is_seen_as_such(self, service: Service) -> None:
        report = compare(service, stepped(), stepped(checkpointed=True), steps=3)
        assert report, str(report)
        assert report.unmatched == ()

    def test_forward_alone_ends_where_backward_would_begin(self, service: Service) -> None:
        report = compare(service, stepped("step_that_raises"), diff_phase="forward")
        assert report, str(report)
        assert {row.phase for row in report.rows} == {
            Phase.INITIAL_WEIGHTS,
            Phase.INPUTS,
            Phase.FORWARD,
        }

    def test_what_it_raises_is_a_failure_of_the_phase_that_it_was_in(self, service: Service) -> None:
        report = compare(service, stepped(), stepped("step_that_raises"))
        [failure] = report.failures
        assert (failure.phase, failure.text) == (Phase.BACKWARD, "behind backward")

    def test_another_result_than_a_loss_is_said(self, service: Service) -> None:
        report = compare(service, stepped(), stepped("step_with_a_dict"))
        assert "the train step returned a dict" in report.failures[0].text

    @pytest.mark.parametrize(
        ("reference", "options", "said"),
        [
            ({"loss": "fake_models:against"}, {}, r"reference\.loss: a train step brings its own"),
            ({"autocast": DType.FLOAT16}, {}, r"reference\.autocast: a train step brings its own"),
            ({}, {"accumulate": 2}, r"options\.accumulate: a train step is run as it is"),
            ({}, {"clip_norm": 1.0}, r"options\.clip_norm: a train step is run as it is"),
            ({}, {"loss_scale": 2.0}, r"options\.loss_scale: a train step is run as it is"),
            ({}, {"single_step": True}, r"options\.single_step: a train step is run as it is"),
        ],
    )
    def test_what_is_for_the_built_in_step_is_refused(
        self, service: Service, reference: dict[str, Any], options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=said):
            compare(service, stepped(**reference), stepped(**reference), **options)

    def test_a_train_step_on_one_side_only_is_refused(self, service: Service) -> None:
        with pytest.raises(InvalidRequestError, match=r"candidate\.train_step: give one for both sides"):
            compare(service, stepped(), stepped(train_step=""))


class TestGrowth:
    def test_by_default_the_first_step_that_differs_is_the_last(self, service: Service) -> None:
        report = compare(service, trained(), trained("Drifting"), steps=5)
        assert [step.passed for step in report.steps] == [True, True, False]
        assert any("stopped after step 2" in note for note in report.notes)

    def test_keep_going_shows_how_the_difference_grows(self, service: Service) -> None:
        report = compare(service, trained(), trained("Drifting"), steps=6, keep_going=True)
        assert not report
        assert len(report.steps) == 6
        values = [step.values_relative_l2 for step in report.steps]
        weights = [step.weights_relative_l2 for step in report.steps]
        assert values[:2] == [0, 0]
        assert all(value > 1e-4 for value in values[2:])
        assert weights[0] == 0 < weights[-1]
        assert report.first_divergence is not None
        assert report.first_divergence.step == 2
        text = str(report)
        assert "growth     step   values     weights" in text
        assert f"5      {values[5]:.3g}" in text

    def test_a_pass_has_no_table(self, service: Service) -> None:
        assert "growth" not in str(compare(service, trained(), steps=3, keep_going=True))

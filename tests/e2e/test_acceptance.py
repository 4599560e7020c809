"""Cases that must come out right, each across a real Torch and a real Paddle process.

Torch is the reference and Paddle the candidate. The models are in `models`; a test's number is the
case's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, Input, LayerMap, ModelSpec, Options, Report, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Phase, Side, Verdict

Compare = Callable[..., Report]
FAILING = {
    Verdict.MISMATCH,
    Verdict.SHAPE_MISMATCH,
    Verdict.DTYPE_MISMATCH,
    Verdict.NONFINITE,
    Verdict.UNMATCHED,
}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_cases:candidate` with `torch_cases:reference` in the shared processes."""

    def run(
        candidate: str,
        reference: str = "chain",
        inputs: Any = None,
        *,
        kwargs: Optional[dict[str, Any]] = None,
        reference_kwargs: Optional[dict[str, Any]] = None,
        loss: Optional[tuple[str, str]] = None,
        optimizer: Optional[tuple[str, str]] = None,
        train: bool = False,
        dtype: Optional[str] = None,
        **rest: Any,
    ) -> Report:
        layer = ModelSpec(
            "paddle",
            f"paddle_cases:{candidate}",
            kwargs=kwargs or {},
            worker=service.paddle,
            train=train,
            dtype=dtype,
        )
        module = ModelSpec(
            "torch",
            f"torch_cases:{reference}",
            kwargs=reference_kwargs or {},
            worker=service.torch,
            train=train,
            dtype=dtype,
        )
        given = Batch(args=(rows(),)) if inputs is None else inputs
        return auto_diff(
            layer,
            module,
            (given, given),
            loss_fn=loss and (f"paddle_cases:{loss[0]}", f"torch_cases:{loss[1]}"),
            optimizer=optimizer and (f"paddle_cases:{optimizer[0]}", f"torch_cases:{optimizer[1]}"),
            server=service.server,
            **rest,
        )

    return run


def rows(count: int = 4, features: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, features)).astype(np.float32)


def failing(report: Report, phase: Optional[Phase] = None) -> list[Row]:
    return [row for row in report.rows if row.verdict in FAILING and phase in (None, row.phase)]


def rows_of(report: Report, path: str, kind: CaptureKind, phase: Optional[Phase] = None) -> list[Row]:
    """The rows of the reference's layer at `path`."""
    return [
        row
        for row in report.rows
        if row.kind is kind
        and row.reference is not None
        and row.reference.path == path
        and phase in (None, row.phase)
    ]


def assert_passes(report: Report, *, parameters: int, losses: int = 1) -> None:
    assert report, str(report)
    assert report.exit_code == 0
    assert report.first_divergence is None
    assert failing(report) == []
    assert_covers_all(report, parameters=parameters, losses=losses)


def assert_covers_all(report: Report, *, parameters: int, losses: int = 1) -> None:
    """Everything that there was took part, and `parameters` of it were parameters."""
    coverage = report.coverage
    assert coverage.tensors_compared == coverage.tensors_total > 0
    assert coverage.calls_compared == coverage.calls_total > 0
    assert coverage.parameters_compared == coverage.parameters_total == parameters
    assert coverage.buffers_compared == coverage.buffers_total
    assert coverage.root_outputs_compared == coverage.root_outputs_total > 0
    assert coverage.losses_compared == coverage.losses_total == losses


def assert_diverges(
    report: Report,
    path: str,
    phase: Phase,
    kind: CaptureKind,
    *,
    step: int = 0,
    cause: str = "value",
) -> None:
    assert not report
    assert report.exit_code == 1, str(report)
    first = report.first_divergence
    assert first is not None, str(report)
    assert (first.path, first.phase, first.kind, first.step) == (path, phase, kind, step), str(report)
    assert first.cause == cause
    assert 0 < first.position <= first.compared


def test_a01_a_flipped_output_fails_by_default_and_shows_in_mean_mode(compare: Compare) -> None:
    report = compare("flipped")
    assert_diverges(report, "", Phase.FORWARD, CaptureKind.OUTPUT)
    assert_covers_all(report, parameters=4)

    lenient = compare("flipped", options=Options(compare_mode="mean", diff_phase="forward", rtol=1e-4))
    (root,) = rows_of(lenient, "", CaptureKind.OUTPUT, Phase.FORWARD)
    assert root.verdict is Verdict.WITHIN_TOLERANCE
    assert root.figures is not None
    assert root.figures.mismatches > 0
    assert root.figures.max_abs > 0.1


def test_a02_one_more_output_is_a_difference_of_structure(compare: Compare) -> None:
    report = compare("one_more_output")
    assert_diverges(report, "", Phase.FORWARD, CaptureKind.OUTPUT, cause="structure")
    assert report.first_divergence is not None
    assert report.first_divergence.verdict is Verdict.UNMATCHED
    assert report.coverage.root_outputs_compared < report.coverage.root_outputs_total
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 4


def test_a03_a_shape_is_judged_before_any_value(compare: Compare) -> None:
    report = compare("first_row_only")
    assert_diverges(report, "", Phase.FORWARD, CaptureKind.OUTPUT, cause="shape")
    first = report.first_divergence
    assert first is not None
    assert first.verdict is Verdict.SHAPE_MISMATCH
    assert first.reference is not None
    assert first.candidate is not None
    assert first.reference.spec is not None
    assert first.candidate.spec is not None
    assert (first.reference.spec.shape, first.candidate.spec.shape) == ((4, 8), (1, 8))
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 4


def test_a04_a_dtype_is_a_difference_unless_the_user_allows_it(compare: Compare) -> None:
    report = compare("double_precision_output", options={"diff_phase": "forward"})
    assert_diverges(report, "", Phase.FORWARD, CaptureKind.OUTPUT, cause="dtype")
    assert report.first_divergence is not None
    assert report.first_divergence.verdict is Verdict.DTYPE_MISMATCH

    allowed = compare("double_precision_output", options={"diff_phase": "forward", "check_dtype": False})
    assert_passes(allowed, parameters=4, losses=0)
    (root,) = rows_of(allowed, "", CaptureKind.OUTPUT, Phase.FORWARD)
    assert "float64" in reason(root)


def test_a05_nan_on_both_sides_is_never_green(compare: Compare) -> None:
    report = compare("nan_inside", "nan_inside")
    assert_diverges(report, "act", Phase.FORWARD, CaptureKind.OUTPUT, cause="nonfinite")
    assert report.first_divergence is not None
    figures = report.first_divergence.figures
    assert figures is not None
    assert figures.nan_reference == figures.nan_candidate == 64


def test_a06_inner_differences_count_though_the_root_agrees(compare: Compare) -> None:
    report = compare("up_and_down", "up_and_down")
    assert_diverges(report, "up", Phase.FORWARD, CaptureKind.OUTPUT)
    (root,) = rows_of(report, "", CaptureKind.OUTPUT, Phase.FORWARD)
    assert root.verdict not in FAILING
    assert_covers_all(report, parameters=2)


def images() -> dict[str, np.ndarray]:
    # Large enough that Paddle's biased running variance is Torch's unbiased one to rounding.
    return {"x": np.random.default_rng(0).standard_normal((64, 3, 32, 32)).astype(np.float32)}


def test_a07_a_momentum_of_the_other_convention_shows_in_the_buffers(compare: Compare) -> None:
    wrong = compare("normed", "normed", images(), kwargs={"momentum": 0.1}, train=True)
    assert_diverges(wrong, "norm", Phase.WEIGHTS, CaptureKind.BUFFER)
    assert failing(wrong, Phase.FORWARD) == []
    assert wrong.coverage.buffers_compared == wrong.coverage.buffers_total > 0

    twin = compare("normed", "normed", images(), kwargs={"momentum": 0.9}, train=True)
    assert_passes(twin, parameters=4)
    assert twin.coverage.buffers_total > 0


def test_a08_a_gradient_times_three_is_found_at_its_layer(compare: Compare) -> None:
    report = compare("tripled_gradient")
    assert_diverges(report, "act", Phase.BACKWARD, CaptureKind.INPUT_GRADIENT)
    assert failing(report, Phase.FORWARD) == []
    assert failing(report, Phase.LOSS) == []
    assert report.first_divergence is not None
    figures = report.first_divergence.figures
    assert figures is not None
    assert figures.scale == pytest.approx(3, rel=1e-4)
    assert_covers_all(report, parameters=4)


def test_a11_identical_models_pass_with_an_input_that_requires_grad(compare: Compare) -> None:
    report = compare("chain", inputs={"x": Input(rows(), requires_grad=True)})
    assert_passes(report, parameters=4)
    (gradient,) = rows_of(report, "", CaptureKind.INPUT_GRADIENT, Phase.BACKWARD)
    assert gradient.verdict in (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)


def test_a12_a_loss_that_is_off_by_100_is_found_at_the_loss(compare: Compare) -> None:
    report = compare("chain", loss=("loss_plus_100", "square_loss"))
    assert_diverges(report, "", Phase.LOSS, CaptureKind.LOSS)
    assert failing(report, Phase.FORWARD) == []
    (step,) = report.steps
    assert step.loss_candidate - step.loss_reference == pytest.approx(100, rel=1e-4)
    assert_covers_all(report, parameters=4)


def test_a13_a_difference_from_the_third_step_on_is_found_there(compare: Compare) -> None:
    def batches() -> Iterator[Batch]:
        for step in range(5):
            x = rows(seed=step) * (10 if step >= 2 else 1)
            yield Batch(kwargs={"x": x}, target=rows(seed=100 + step))

    healthy = compare(
        "chain", inputs=batches(), steps=5, loss=("distance", "distance"), optimizer=("sgd", "sgd")
    )
    assert_passes(healthy, parameters=4, losses=5)
    assert [step.passed for step in healthy.steps] == [True] * 5

    report = compare(
        "clipped", inputs=batches(), steps=5, loss=("distance", "distance"), optimizer=("sgd", "sgd")
    )
    assert_diverges(report, "act", Phase.FORWARD, CaptureKind.OUTPUT, step=2)
    assert [step.passed for step in report.steps][:3] == [True, True, False]
    assert [row for row in failing(report) if row.step < 2] == []


def test_a14_a_model_without_parameters_passes_forward(compare: Compare) -> None:
    report = compare("no_parameters", "no_parameters")
    assert_passes(report, parameters=0, losses=report.coverage.losses_total)
    assert not [row for row in report.rows if row.phase is Phase.BACKWARD]
    assert any("gradient" in note or "forward" in note for note in report.notes), report.notes


@pytest.mark.parametrize("kind", ["dataclass", "mapping", "dict"])
def test_a15_outputs_are_paired_by_field_and_key(compare: Compare, kind: str) -> None:
    report = compare("structured", "structured", kwargs={"kind": kind}, reference_kwargs={"kind": kind})
    assert_passes(report, parameters=4)
    names = {
        row.reference.slot
        for row in rows_of(report, "", CaptureKind.OUTPUT, Phase.FORWARD)
        if row.reference is not None
    }
    assert names == {"hidden", "scores"}


def test_a16_bfloat16_models_pass_under_their_own_tolerance(compare: Compare) -> None:
    inputs = {
        "index": np.array([1, 5, 9, 5]),
        "x": Input(rows(), dtype="bfloat16", requires_grad=True),
    }
    report = compare("scaled", "scaled", inputs, dtype="bfloat16")
    assert_passes(report, parameters=2)
    (root,) = rows_of(report, "", CaptureKind.OUTPUT, Phase.FORWARD)
    assert root.reference is not None
    assert str(root.reference.spec) == "bfloat16[4, 8]"
    assert root.tolerance is not None
    assert root.tolerance.rtol > 1e-3


def test_a17_a_bias_that_one_side_lacks_fails_though_it_is_zero(compare: Compare) -> None:
    report = compare("no_bias", "zero_bias")
    assert not report
    assert report.exit_code == 1
    (missing,) = [one for one in report.unmatched if one.what == "parameter"]
    assert (missing.side, missing.path, missing.name) == (Side.REFERENCE, "second", "bias")
    assert missing.counts
    assert failing(report, Phase.FORWARD) == []
    assert report.coverage.parameters_compared == 3
    assert report.coverage.parameters_total == 4


def test_a18_a_square_subclass_of_linear_is_transposed(compare: Compare) -> None:
    report = compare("own_linear", "own_linear")
    assert_passes(report, parameters=4)
    weights = [
        row
        for row in rows_of(report, "a", CaptureKind.PARAMETER)
        if row.reference is not None and row.reference.slot == "weight"
    ]
    assert weights
    assert all("transpose" in str(row.rule) for row in weights)


def test_a19_a_layer_against_a_function_passes_and_faults_elsewhere_are_found(compare: Compare) -> None:
    report = compare("functional", kwargs={"fault": False})
    assert report, str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 4
    assert [(one.side, one.path) for one in report.unmatched if one.what == "call"] == [
        (Side.REFERENCE, "act")
    ]

    faulty = compare("functional", kwargs={"fault": True})
    assert_diverges(faulty, "second", Phase.FORWARD, CaptureKind.OUTPUT)


def test_a21_a_model_that_raises_is_a_result(compare: Compare) -> None:
    report = compare("raising")
    assert not report
    assert report.exit_code == 2
    (failure,) = report.failures
    assert (failure.side, failure.path, failure.exception) == (Side.CANDIDATE, "second", "ValueError")
    assert failure.phase in (Phase.TRACE, Phase.FORWARD)
    assert "a planted failure" in failure.text
    assert "paddle_cases.py" in failure.traceback
    assert "a planted failure" in str(report)

    # Neither process keeps a hook or a lease.
    assert_passes(compare("chain"), parameters=4)


def test_a21_what_came_before_the_failure_stays_compared(compare: Compare) -> None:
    report = compare("raising", options=Options(trace="first_step"))
    (failure,) = report.failures
    assert (failure.side, failure.path, failure.phase) == (Side.CANDIDATE, "second", Phase.FORWARD)
    (activation,) = rows_of(report, "act", CaptureKind.OUTPUT, Phase.FORWARD)
    assert activation.verdict in (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)


def test_a22_with_a_layer_ignored_the_rest_is_still_located(compare: Compare) -> None:
    ignored = LayerMap().ignore(reference=["act"], candidate=["act"])
    report = compare("shifted", layer_map=ignored)
    assert_diverges(report, "second", Phase.FORWARD, CaptureKind.OUTPUT)
    compared = [row for row in rows_of(report, "act", CaptureKind.OUTPUT) if row.counts]
    assert compared == []
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 4

    assert compare("chain", layer_map=ignored)


def test_a23_each_call_of_a_shared_layer_is_paired_with_its_own(compare: Compare) -> None:
    report = compare("shared", "shared", kwargs={"fault": False})
    assert_passes(report, parameters=2)
    outputs = rows_of(report, "left.part", CaptureKind.OUTPUT, Phase.FORWARD)
    assert [
        (row.reference.call, row.candidate.call) for row in outputs if row.reference and row.candidate
    ] == [
        (0, 0),
        (1, 1),
    ]

    faulty = compare("shared", "shared", kwargs={"fault": True})
    assert_diverges(faulty, "right", Phase.FORWARD, CaptureKind.INPUT)
    assert faulty.first_divergence is not None
    assert faulty.first_divergence.row.between == "before left.part#1"


def test_a24_checkpoint_and_recompute_pass(compare: Compare) -> None:
    report = compare("checkpointed", "checkpointed", train=True)
    assert_passes(report, parameters=8)
    gradients = rows_of(report, "block.first", CaptureKind.PARAMETER_GRADIENT)
    assert {row.verdict for row in gradients} <= {Verdict.MATCH, Verdict.WITHIN_TOLERANCE}
    assert len(gradients) == 2


@pytest.mark.parametrize("randomness", ["shared", "off"])
def test_a25_a_dropout_that_is_shared_or_off_is_judged_like_any_layer(
    compare: Compare, randomness: str
) -> None:
    report = compare("dropped", "dropped", train=True, options={"randomness": randomness})
    assert_passes(report, parameters=6)
    [output] = rows_of(report, "drop", CaptureKind.OUTPUT)
    assert output.figures is not None
    assert {one.shared for one in report.random_operations} == {randomness == "shared"}


def test_a25_a_dropout_that_is_named_does_not_end_the_comparison(compare: Compare) -> None:
    named = Options(randomness="report")
    report = compare("dropped", "dropped", train=True, options=named)
    assert report, str(report)
    assert [(one.side, one.path, one.shared) for one in report.random_operations] == [
        (Side.REFERENCE, "drop", False),
        (Side.CANDIDATE, "drop", False),
    ]
    [output] = rows_of(report, "drop", CaptureKind.OUTPUT)
    assert (output.verdict, reason(output)) == (Verdict.NOT_COMPARED, "random: dropout (not shared)")
    assert report.coverage.calls_compared == report.coverage.calls_total - 1
    assert report.coverage.parameters_compared == 6
    assert "dropout in drop#0 (reference), drop#0 (candidate): left to the frameworks" in str(report)

    faulty = compare("dropped", "dropped", train=True, options=named, kwargs={"epsilon": 1e-3})
    assert_diverges(faulty, "norm", Phase.FORWARD, CaptureKind.OUTPUT)


def test_a27_tolerances_do_not_leak_into_the_next_comparison(compare: Compare) -> None:
    loose = compare("shifted", options=Options(atol=10.0, rtol=0.0, diff_phase="forward"))
    assert_passes(loose, parameters=4, losses=0)
    assert_diverges(
        compare("shifted", options=Options(diff_phase="forward")),
        "second",
        Phase.FORWARD,
        CaptureKind.OUTPUT,
    )


def test_a28_a_wrong_weight_decay_is_found_in_the_weights_after_one_step(compare: Compare) -> None:
    optimizer = ("adamw_wrong_decay", "adamw")
    report = compare("chain", steps=2, loss=("square_loss", "square_loss"), optimizer=optimizer)
    assert_diverges(report, "first", Phase.WEIGHTS, CaptureKind.PARAMETER)
    earlier = [row for row in failing(report) if row.step == 0 and row.phase is not Phase.WEIGHTS]
    assert earlier == []

    sound = compare("chain", steps=2, loss=("square_loss", "square_loss"), optimizer=("adamw", "adamw"))
    assert_passes(sound, parameters=4, losses=2)

"""Layers whose weights Torch and Paddle keep differently: forward, gradients and weights, without a map.

Torch is the reference. The models are `models/torch_layers.py` and `models/paddle_layers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, assign_weight, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_layers:name` with `torch_layers:name`; `swapped` makes Paddle the reference."""

    def run(
        name: str,
        *inputs: np.ndarray,
        torch: Optional[dict[str, Any]] = None,
        paddle: Optional[dict[str, Any]] = None,
        swapped: bool = False,
        train: bool = False,
        **rest: Any,
    ) -> Report:
        paddles = ModelSpec(
            "paddle", f"paddle_layers:{name}", kwargs=paddle or {}, worker=service.paddle, train=train
        )
        torches = ModelSpec(
            "torch", f"torch_layers:{name}", kwargs=torch or {}, worker=service.torch, train=train
        )
        layer, module = (torches, paddles) if swapped else (paddles, torches)
        given = Batch(args=inputs)
        return auto_diff(
            layer=layer, module=module, example_inp=(given, given), server=service.server, **rest
        )

    return run


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_passes(report: Report, *, parameters: int, buffers: int = 0) -> None:
    """The report passes, and everything there was took part: gradients of all parameters too."""
    assert report, str(report)
    coverage = report.coverage
    assert coverage.tensors_compared == coverage.tensors_total > 0
    assert coverage.calls_compared == coverage.calls_total > 0
    assert coverage.parameters_compared == coverage.parameters_total == parameters
    assert coverage.buffers_compared == coverage.buffers_total == buffers
    assert coverage.root_outputs_compared == coverage.root_outputs_total > 0
    assert coverage.losses_compared == coverage.losses_total == 1
    gradients = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    assert len(gradients) == parameters
    rounding = [row for row in gradients if row.verdict is Verdict.NOT_COMPARED]
    assert all("below rounding" in reason(row) for row in rounding), rounding
    assert all(not one.counts for one in report.unmatched)


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
@pytest.mark.parametrize(
    ("torch", "paddle", "parameters"),
    [
        ({"kind": "LSTM"}, {"kind": "LSTM"}, 6),
        (
            {"kind": "LSTM", "num_layers": 2, "bidirectional": True},
            {"kind": "LSTM", "num_layers": 2, "direction": "bidirect"},
            18,
        ),
        (
            {"kind": "GRU", "num_layers": 2, "bidirectional": True},
            {"kind": "GRU", "num_layers": 2, "direction": "bidirect"},
            18,
        ),
        ({"kind": "RNN"}, {"kind": "SimpleRNN"}, 6),
        ({"kind": "LSTM", "proj_size": 4}, {"kind": "LSTM", "proj_size": 4}, 7),
    ],
    ids=["lstm", "lstm 2 layers bidirectional", "gru 2 layers bidirectional", "rnn", "lstm projected"],
)
def test_recurrent_layers(
    compare: Compare, torch: dict[str, Any], paddle: dict[str, Any], parameters: int, swapped: bool
) -> None:
    # In eval mode, Paddle's recurrent layers keep nothing for a backward pass.
    report = compare("recurrent", values(2, 7, 5), torch=torch, paddle=paddle, swapped=swapped, train=True)
    assert_passes(report, parameters=parameters)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kdim", "vdim"), [(None, None), (6, 5)])
def test_attention(compare: Compare, kdim: Optional[int], vdim: Optional[int], bias: bool) -> None:
    options = {"kdim": kdim, "vdim": vdim, "bias": bias}
    inputs = values(2, 5, 8), values(2, 6, kdim or 8, seed=1), values(2, 6, vdim or 8, seed=2)
    report = compare("attention", *inputs, torch=options, paddle=options)
    assert_passes(report, parameters=8 if bias else 4)


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_attention_weights_that_one_side_returns_by_the_way_fail_nothing(
    compare: Compare, swapped: bool
) -> None:
    inputs = values(2, 5, 8), values(2, 6, 8, seed=1), values(2, 6, 8, seed=2)
    report = compare("attention", *inputs, torch={"weights": True}, swapped=swapped)
    assert report, str(report)
    lone = [row for row in report.rows if row.verdict is Verdict.UNMATCHED]
    assert [(row.kind, row.counts) for row in lone] == [(CaptureKind.OUTPUT, False)]


def test_attention_from_paddle_to_torch(compare: Compare) -> None:
    inputs = values(2, 5, 8), values(2, 6, 8, seed=1), values(2, 6, 8, seed=2)
    assert_passes(compare("attention", *inputs, swapped=True), parameters=4)


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_fused_projections_of_an_own_block_against_separate_ones(compare: Compare, swapped: bool) -> None:
    report = compare("projections", values(2, 5, 8), swapped=swapped)
    assert_passes(report, parameters=8 if swapped else 12)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_encoder(compare: Compare, norm_first: bool) -> None:
    options = {"norm_first": norm_first}
    report = compare("encoder", values(2, 5, 8), torch=options, paddle=options)
    assert_passes(report, parameters=2 * 16 + 2)


def test_a_transformer_decoder(compare: Compare) -> None:
    report = compare("decoder", values(2, 5, 8), values(2, 6, 8, seed=1))
    assert_passes(report, parameters=2 * 26 + 2)


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_norms_and_convolutions(compare: Compare, swapped: bool) -> None:
    report = compare("images", values(2, 4, 6, 6), swapped=swapped)
    # The instance norm takes away what the bias before it adds.
    assert_passes(report, parameters=10)


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_spectral_norm(compare: Compare, swapped: bool) -> None:
    assert_passes(compare("spectral", values(4, 8), swapped=swapped), parameters=4, buffers=2)


def test_tied_weights(compare: Compare) -> None:
    tokens = np.random.default_rng(0).integers(0, 11, (2, 5))
    assert_passes(compare("tied", tokens), parameters=4)


def test_settings_that_differ_are_listed_in_one_vocabulary(compare: Compare) -> None:
    report = compare(
        "normed",
        values(2, 3, 5, 5),
        torch={"eps": 1e-3, "momentum": 0.1},
        paddle={"epsilon": 1e-5, "momentum": 0.9},
    )
    assert not report
    (found,) = report.hyper_parameters
    assert (found.reference_path, found.candidate_path, found.name) == ("1", "1", "epsilon")
    assert (found.reference, found.candidate) == ("0.001", "1e-05")
    assert str(report).index("epsilon is 0.001") < str(report).index("first divergence")


def test_square_matrices_of_own_classes_are_tried_both_ways(compare: Compare) -> None:
    report = compare("squares", values(4, 8))
    assert_passes(report, parameters=6)
    found = {one.name: (one.fate, str(one.rule)) for one in report.weights if one.path == "second"}
    assert found == {"weight": ("ambiguous", "transpose"), "bias": ("placed", "identity")}
    first = next(one for one in report.weights if (one.path, one.name) == ("first", "weight"))
    assert (first.fate, str(first.rule)) == ("ambiguous", "identity")
    notes = [note for note in report.notes if note.startswith("orientation: ")]
    assert "'first.weight' may be stored either way round; both were tried, and as it is is" in notes[0]
    assert "'second.weight' may be stored either way round; both were tried, and transposed is" in notes[1]


def test_without_a_copy_the_candidates_own_values_tell_the_orientation(compare: Compare) -> None:
    report = compare("squares", values(4, 8), auto_weights=False)
    assert not report
    assert any(note.startswith("orientation: 'first.weight' may be stored") for note in report.notes)


def test_assigned_weights_name_what_could_not_be_tried(service: Any) -> None:
    layer = ModelSpec("paddle", "paddle_layers:squares", worker=service.paddle)
    module = ModelSpec("torch", "torch_layers:squares", worker=service.torch)
    report = assign_weight(layer, module, server=service.server)
    assert report
    (note,) = [note for note in report.notes if note.startswith("orientation: ")]
    assert note.startswith(
        "orientation: 'first.weight', 'second.weight': a class of your own holds it, and its axes"
    )


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_packed_weights_are_compared_after_each_optimizer_step(compare: Compare, swapped: bool) -> None:
    inputs = values(2, 5, 8), values(2, 6, 8, seed=1), values(2, 6, 8, seed=2)
    optimizers = ("paddle_layers:sgd", "torch_layers:sgd")
    report = compare(
        "attention", *inputs, swapped=swapped, optimizer=optimizers[::-1] if swapped else optimizers, steps=2
    )
    assert report, str(report)
    after = [row for row in report.rows if row.phase is Phase.WEIGHTS and row.kind is CaptureKind.PARAMETER]
    assert len(after) == 2 * (4 if swapped else 8)
    packed = "transpose then stack" if swapped else "part(3 of 3) then transpose"
    assert any(str(row.rule) == packed and row.verdict is Verdict.WITHIN_TOLERANCE for row in after)

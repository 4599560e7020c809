"""Models that compute the same in another structure, or nearly: what pairs, what is a gap, where it parts.

Torch is the reference. The models are `models/torch_structures.py` and `models/paddle_structures.py`;
no test has a layer map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Phase, Side, Verdict

Compare = Callable[..., Report]
PERCEPTRON = ("entry", "entry_norm", "middle", "middle_norm", "exit")


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `torch_structures:reference` with `paddle_structures:candidate` in the shared processes."""

    def run(reference: str, candidate: str, *shape: int, train: bool = False, **kwargs: Any) -> Report:
        module = ModelSpec("torch", f"torch_structures:{reference}", worker=service.torch, train=train)
        layer = ModelSpec(
            "paddle", f"paddle_structures:{candidate}", kwargs=kwargs, worker=service.paddle, train=train
        )
        values = np.random.default_rng(0).standard_normal(shape or (4, 8)).astype(np.float32)
        given = Batch(args=(values,))
        return auto_diff(layer, module, (given, given), server=service.server)

    return run


def weighted_pairs(report: Report) -> dict[str, str]:
    """Returns the pairs of layers that hold weights, by paths."""
    return {
        pair.reference.path: pair.candidate.path
        for pair in report.plan
        if pair.parameterised and pair.reference and pair.candidate
    }


def confidence(report: Report, path: str) -> float:
    (found,) = [pair.confidence for pair in report.plan if pair.reference and pair.reference.path == path]
    return found


def assert_passes(report: Report, *, parameters: int) -> None:
    """The report passes, all weights and all tensors of paired calls took part; only free layers did not."""
    assert report, str(report)
    coverage = report.coverage
    assert coverage.parameters_compared == coverage.parameters_total == parameters
    assert coverage.tensors_compared == coverage.tensors_total > 0
    assert coverage.root_outputs_compared == coverage.root_outputs_total == 1
    assert coverage.losses_compared == coverage.losses_total == 1
    assert not [lone for lone in report.unmatched if lone.counts]
    gradients = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    assert len(gradients) == parameters
    assert all(row.figures for row in gradients)


def test_siblings_defined_and_called_in_another_order_pair_by_their_names(compare: Compare) -> None:
    report = compare("gates", "gates")
    assert weighted_pairs(report) == {
        "query": "q_proj",
        "key": "k_proj",
        "value": "v_proj",
        "out": "projection",
    }
    assert_passes(report, parameters=8)


def test_branches_called_in_another_order_pair_by_what_feeds_them(compare: Compare) -> None:
    report = compare("branches", "branches", 2, 3, 8, 8)
    assert weighted_pairs(report) == {
        "short.0": "c",
        "long.0": "b_narrow",
        "long.2": "b_wide",
        "longer.0": "a_narrow",
        "longer.2": "a_wide",
        "join": "end",
    }
    assert_passes(report, parameters=12)


NESTED = dict(
    zip(
        PERCEPTRON,
        ("first.0", "first.1", "second.wrapped.wrapped.0", "second.wrapped.wrapped.1", "last.wrapped"),
    )
)


def test_extra_wrapper_levels_are_looked_through(compare: Compare) -> None:
    report = compare("perceptron", "stages")
    assert weighted_pairs(report) == NESTED
    assert_passes(report, parameters=10)


def test_behind_wrappers_and_functions_a_fault_is_still_located(compare: Compare) -> None:
    report = compare("perceptron", "stages", fault=True)
    assert report.exit_code == 1
    assert weighted_pairs(report) == NESTED
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.phase, first.kind) == ("entry_norm", Phase.FORWARD, CaptureKind.OUTPUT)
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 10
    assert report.coverage.tensors_compared == report.coverage.tensors_total


def test_named_layers_pair_with_a_sequential(compare: Compare) -> None:
    report = compare("perceptron", "sequential")
    assert weighted_pairs(report) == dict(zip(PERCEPTRON, ("0", "1", "3", "4", "6")))
    assert_passes(report, parameters=10)


def test_a_missing_layer_in_the_middle_is_a_gap_and_the_rest_is_compared(compare: Compare) -> None:
    report = compare("perceptron", "without_middle")
    assert report.exit_code == 1
    assert weighted_pairs(report) == {
        "entry": "entry",
        "entry_norm": "norms.0",
        "middle_norm": "norms.1",
        "exit": "exit",
    }
    counted = {(lone.side, lone.what, lone.path, lone.name) for lone in report.unmatched if lone.counts}
    assert counted == {
        (Side.REFERENCE, "parameter", "middle", "weight"),
        (Side.REFERENCE, "parameter", "middle", "bias"),
        (Side.REFERENCE, "call", "middle", ""),
    }
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.cause) == ("middle", "missing")
    # What lies around the gap agrees on the reference's own values, and what is taken behind it does not.
    outputs = {
        row.reference.path: row.verdict
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT and row.phase is Phase.FORWARD and row.reference and row.figures
    }
    agreeing = {Verdict.MATCH, Verdict.WITHIN_TOLERANCE}
    assert {"entry", "entry_norm", "middle_norm", "exit"} <= set(outputs)
    assert {verdict for path, verdict in outputs.items() if path} <= agreeing
    behind = [row for row in report.faults if row.kind is CaptureKind.INPUT]
    assert [row.between.rpartition(" and ")[2] for row in behind] == ["norms.1#0"]
    assert report.coverage.parameters_compared == 8
    assert report.coverage.parameters_total == 10


def test_swapped_layers_of_equal_names_and_shapes_are_found_by_numbers_and_said_to_be_doubtful(
    compare: Compare,
) -> None:
    report = compare("twins", "twins")
    assert report.exit_code == 1
    assert weighted_pairs(report) == {"left": "left", "right": "right", "exit": "exit"}
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.phase, first.kind) == ("", Phase.FORWARD, CaptureKind.INPUT)
    assert confidence(report, "left") < 0.5
    assert confidence(report, "right") < 0.5
    assert confidence(report, "exit") == 1.0
    assert "their names and the order of execution contradict each other" in str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 6


def test_layers_whose_names_say_nothing_pair_in_the_order_of_execution(compare: Compare) -> None:
    # Calls the layer first that it defines last: nothing but the order of execution tells the twins apart.
    report = compare("twins", "twins", left="a", right="b")
    assert weighted_pairs(report) == {"left": "b", "right": "a", "exit": "exit"}
    assert_passes(report, parameters=6)


def test_different_architectures_give_a_report_of_their_structures(compare: Compare) -> None:
    # In eval mode, Paddle's recurrent layers keep nothing for a backward pass.
    report = compare("convolutional", "recurrent", 2, 3, 8, 8, train=True)
    assert report.exit_code == 1
    assert not report.failures
    assert not report.troubles
    assert weighted_pairs(report) == {}
    lone = {(one.side, one.path) for one in report.unmatched if one.counts and one.what == "call"}
    reference = {(Side.REFERENCE, path) for path in ("conv", "norm", "scores")}
    candidate = {(Side.CANDIDATE, path) for path in ("rows", "norm", "head.0", "head.2")}
    assert reference | candidate <= lone
    # Inputs, outputs and losses of the whole still meet.
    coverage = report.coverage
    assert (coverage.parameters_compared, coverage.parameters_total) == (0, 16)
    assert coverage.buffers_compared == 0
    assert coverage.root_outputs_compared == coverage.root_outputs_total == 1
    assert coverage.losses_compared == coverage.losses_total == 1
    root = [row for row in report.rows if row.kind is CaptureKind.OUTPUT and row.figures]
    assert [row.verdict for row in root] == [Verdict.MISMATCH]

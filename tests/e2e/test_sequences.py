"""Sequences that Torch packs, against recurrent layers that are told their lengths; no layer map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import Cause

LOCKSTEP: dict[str, Any] = {"single_step": True}
TWICE: dict[str, Any] = {"kind": "GRU", "twice": True, "bidirectional": True}
SWAPPED = pytest.mark.parametrize("swapped", [False, True], ids=["paddle", "torch"])

Compare = Callable[..., Report]


def batch(shape: tuple[int, int], lengths: tuple[int, ...]) -> Batch:
    return Batch(args=(np.random.default_rng(0).integers(0, 11, shape), np.array(lengths)))


UNSORTED = batch((3, 5), (5, 2, 4))


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares the port with the original; `swapped` makes the original the candidate, with the fault."""

    def run(
        model: dict[str, Any],
        fault: str = "",
        *,
        swapped: bool = False,
        given: Batch = UNSORTED,
        **options: Any,
    ) -> Report:
        faults = {"torch" if swapped else "paddle": {"fault": fault}}
        torch, paddle = (
            ModelSpec(
                side,
                f"{side}_sequences:Tagger",
                kwargs={**model, **faults.get(side, {})},
                worker=getattr(service, side),
                train=True,
            )
            for side in ("torch", "paddle")
        )
        return auto_diff(
            layer=torch if swapped else paddle,
            module=paddle if swapped else torch,
            example_inp=(given, given),
            server=service.server,
            options=Options(**options),
        )

    return run


def assert_passes(report: Report, *, layers: int) -> None:
    """The report passes, and all was compared but the lengths that the layers of one side are told."""
    assert report, str(report)
    coverage = report.coverage
    assert coverage.tensors_total - coverage.tensors_compared <= layers
    assert coverage.parameters_compared == coverage.parameters_total
    assert sum(note.startswith("sequences:") for note in report.notes) == 1, str(report)


def place(report: Report) -> tuple[str, str]:
    """Returns where the first divergence is."""
    assert report.exit_code == 1, str(report)
    row = report.first_divergence.row
    return row.between or row.reference.path, f"{row.kind} {row.reference.slot}"


@SWAPPED
@pytest.mark.parametrize(
    ("model", "given", "options"),
    [
        ({"layers": 2, "bidirectional": True}, UNSORTED, {}),
        ({"kind": "RNN"}, batch((3, 6), (4, 3, 2)), {}),
        (TWICE, UNSORTED, LOCKSTEP),
        # Either order of the axes fits the shapes.
        ({**TWICE, "batch_first": False}, batch((4, 4), (4, 2, 1, 3)), LOCKSTEP),
    ],
    ids=["lstm of two layers", "rnn, sorted, longer than all", "gru twice", "gru twice, time first"],
)
def test_healthy_ports_pass(
    compare: Compare, model: dict[str, Any], given: Batch, options: dict[str, Any], swapped: bool
) -> None:
    report = compare(model, swapped=swapped, given=given, **options)
    assert_passes(report, layers=2 if "twice" in model else 1)
    is_turned = any(note.startswith("axes: ") and "axes 0 and 1 exchanged" in note for note in report.notes)
    assert is_turned is ("batch_first" in model)


@SWAPPED
@pytest.mark.parametrize(
    ("fault", "model", "places"),
    [
        ("shorter", {}, {("rnn", "output 0"), ("rnn", "output 1.0")}),
        ("longer", {"states": False}, {("rnn", "output 0"), ("rnn", "output 1.0")}),
        ("order", {"bidirectional": True}, {("between words#0 and rnn#0", "input 0")}),
    ],
)
def test_wrong_lengths_and_orders_are_found_where_they_are(
    compare: Compare, fault: str, model: dict[str, Any], places: set[tuple[str, str]], swapped: bool
) -> None:
    assert place(compare(model, fault, swapped=swapped)) in places


@pytest.mark.parametrize("states", [False, True])
def test_lengths_that_nobody_is_told_fail(compare: Compare, states: bool) -> None:
    assert place(compare({"states": states}, "none"))[0] == "rnn"


def test_in_lockstep_a_fault_of_one_layer_fails_in_no_other(compare: Compare) -> None:
    report = compare({"twice": True}, "worn", **LOCKSTEP)
    assert place(report) == ("rnn", "output 0")
    forward = [row for row in report.faults if row.phase.value == "forward"]
    assert len(forward) == 1, str(report)
    assert Cause.PACKED_SEQUENCES in [one.cause for one in forward[0].reasons]


@pytest.mark.parametrize("fault", ["", "shorter", "order"])
def test_both_sides_may_pack(service: Any, others: dict[str, str], fault: str) -> None:
    module = ModelSpec("torch", "torch_sequences:Tagger", worker=service.torch)
    kwargs = {"fault": fault}
    layer = ModelSpec("torch", "torch_sequences:Tagger", kwargs=kwargs, worker=others["torch"])
    report = auto_diff(
        layer, module, (UNSORTED, UNSORTED), server=service.server, options=Options(single_step=True)
    )
    if fault:
        assert place(report) == ("between words#0 and rnn#0", "input 0")
    else:
        assert report.coverage.tensors_compared == report.coverage.tensors_total
        assert report, str(report)

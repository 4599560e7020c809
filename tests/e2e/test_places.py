"""Sides that hold the same values in other places: a healthy port passes, a faulty one fails where it is.

Torch is the reference. The models are `models/torch_places.py` and `models/paddle_places.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.words import CaptureKind, FindingKind, Omission

Compare = Callable[..., Report]
IDS = np.random.default_rng(0).integers(0, 7, (2, 3))
LOCKSTEP: dict[str, Any] = {"single_step": True}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_places:name` with `torch_places:name`, a batch a step; `swapped`: the reverse."""

    def run(
        name: str,
        *steps: np.ndarray,
        torch: Optional[dict[str, Any]] = None,
        paddle: Optional[dict[str, Any]] = None,
        swapped: bool = False,
        train: bool = False,
        **rest: Any,
    ) -> Report:
        paddles, torches = (
            ModelSpec(framework, f"{framework}_places:{name}", kwargs=given or {}, worker=worker, train=train)
            for framework, given, worker in (
                ("paddle", paddle, service.paddle),
                ("torch", torch, service.torch),
            )
        )
        layer, module = (torches, paddles) if swapped else (paddles, torches)
        given = [Batch(args=(value,)) for value in steps]
        return auto_diff(
            layer=layer,
            module=module,
            example_inp=(given, given),
            steps=len(given),
            server=service.server,
            **rest,
        )

    return run


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def assert_passes(report: Report, *, functions: int = 0) -> None:
    """All passes and took part; `functions`: layers that are functions on the other side."""
    assert report, str(report)
    coverage = report.coverage
    assert coverage.calls_compared == coverage.calls_total - functions > 0
    assert coverage.parameters_compared == coverage.parameters_total > 0
    assert coverage.root_outputs_compared == coverage.root_outputs_total == 1


def first_place(report: Report) -> tuple[str, CaptureKind, str]:
    assert not report
    assert report.first_divergence is not None
    row = report.first_divergence.row
    place = row.candidate or row.reference
    assert place is not None
    return place.path, row.kind, place.slot


@pytest.mark.parametrize(
    ("kind", "swapped", "options"),
    [
        ("LSTMCell", False, {}),
        ("LSTMCell", True, LOCKSTEP),
        ("GRUCell", False, LOCKSTEP),
        ("GRUCell", True, {}),
    ],
)
def test_cells_pair_what_they_return_by_what_it_is(
    compare: Compare, kind: str, swapped: bool, options: dict[str, Any]
) -> None:
    given = {"kind": kind}
    report = compare(
        "Unrolled", values(2, 3, 4), torch=given, paddle=given, swapped=swapped, train=True, options=options
    )
    assert_passes(report)


@pytest.mark.parametrize("options", [{}, LOCKSTEP], ids=["free", "lockstep"])
def test_states_that_the_ports_own_code_swaps_fail_where_they_are_taken(
    compare: Compare, options: dict[str, Any]
) -> None:
    given = {"kind": "LSTMCell"}
    report = compare(
        "Unrolled",
        values(2, 3, 4),
        torch=given,
        paddle={**given, "fault": "swapped"},
        train=True,
        options=options,
    )
    # What a call takes is charged to the layer that makes the call.
    assert first_place(report)[:2] == ("", CaptureKind.INPUT)


class TestHeadsOfTiedWeights:
    @pytest.mark.parametrize(
        ("swapped", "options"), [(False, {}), (False, {"local_error": True}), (True, LOCKSTEP)]
    )
    def test_are_compared_where_the_other_side_shows_what_they_return(
        self, compare: Compare, swapped: bool, options: dict[str, Any]
    ) -> None:
        report = compare("TiedHead", IDS, torch={"head_first": swapped}, swapped=swapped, options=options)
        assert_passes(report)
        assert report.coverage.parameters_total == 3, "the tied weight counts once"
        side = "candidate" if swapped else "reference"
        rows = [row for row in report.rows if (place := getattr(row, side)) and place.path == "lm_head"]
        assert {row.kind for row in rows} == {CaptureKind.OUTPUT}

    @pytest.mark.parametrize("fault", ["scaled", "wrong table"])
    def test_fail_where_the_port_takes_another_table_or_scale(self, compare: Compare, fault: str) -> None:
        report = compare("TiedHead", IDS, paddle={"fault": fault})
        assert first_place(report) == ("", CaptureKind.OUTPUT, "0")

    def test_fail_where_the_head_is_tied_on_no_side(self, compare: Compare) -> None:
        report = compare("LooseHead", IDS)
        assert not report
        assert any(lone.path == "lm_head" and lone.counts for lone in report.unmatched)


LOCAL: dict[str, Any] = {"local_error": True}


class TestActivationsThatLayersApplyThemselves:
    @pytest.mark.parametrize(
        ("layers", "swapped", "options"),
        [(False, False, {}), (True, False, LOCKSTEP), (True, True, LOCAL), (False, True, LOCKSTEP)],
    )
    def test_are_compared_behind_them(
        self, compare: Compare, layers: bool, swapped: bool, options: dict[str, Any]
    ) -> None:
        report = compare(
            "Normed",
            values(4, 3, 2, 5),
            torch={"layers": layers},
            swapped=swapped,
            train=True,
            options=options,
        )
        assert_passes(report, functions=0 if layers is False else 3)
        rows = [row for row in report.rows if row.kind is CaptureKind.OUTPUT]
        shown = [row for row in rows if "shows these values at" in reason(row)]
        assert {row.candidate.path for row in shown if row.candidate} == {"bn1", "bn2", "fc"}

    @pytest.mark.parametrize("fault", ["bn1", "fc"])
    @pytest.mark.parametrize("options", [{}, LOCKSTEP], ids=["free", "lockstep"])
    def test_fail_where_they_are_wrong(self, compare: Compare, fault: str, options: dict[str, Any]) -> None:
        report = compare("Normed", values(4, 3, 2, 5), paddle={"fault": fault}, train=True, options=options)
        assert first_place(report) == (fault, CaptureKind.OUTPUT, "0")

    @pytest.mark.parametrize("swapped", [False, True], ids=["candidate's", "reference's"])
    @pytest.mark.parametrize("options", [{}, LOCKSTEP], ids=["free", "lockstep"])
    def test_that_the_other_side_shows_nowhere_are_computed(
        self, compare: Compare, options: dict[str, Any], swapped: bool
    ) -> None:
        report = compare("Pooled", values(3, 3, 2, 5), swapped=swapped, train=True, options=options)
        assert_passes(report, functions=1)
        [row] = [
            row for row in report.rows if row.kind is CaptureKind.OUTPUT and "behind relu" in reason(row)
        ]
        assert {place.path for place in (row.reference, row.candidate) if place} == {"bn"}
        [left_out] = [one for one in report.omitted if one.omission is Omission.FUSED]
        assert (left_out.what, left_out.places) == ("gradient", 1)
        assert "an activation that the other side does not show" in str(report).splitlines()[0]

    @pytest.mark.parametrize(
        ("fault", "swapped"),
        [({"act": "sigmoid"}, False), ({"act": "tanh"}, True), ({"epsilon": 0.01}, True)],
    )
    def test_that_the_other_side_shows_nowhere_fail_where_they_are_wrong(
        self, compare: Compare, fault: dict[str, Any], swapped: bool
    ) -> None:
        report = compare("Pooled", values(3, 3, 2, 5), paddle=fault, swapped=swapped, train=True)
        assert first_place(report) == ("bn", CaptureKind.OUTPUT, "0")

    @pytest.mark.parametrize("swapped", [False, True], ids=["candidate's", "reference's"])
    def test_that_are_no_idempotent_functions_leave_lockstep_healthy(
        self, compare: Compare, swapped: bool
    ) -> None:
        given: dict[str, Any] = {"act": "sigmoid"}
        report = compare(
            "Pooled",
            values(3, 3, 2, 5),
            torch=given,
            paddle=given,
            swapped=swapped,
            train=True,
            options=LOCKSTEP,
        )
        assert_passes(report, functions=1)


def test_an_activation_that_a_later_step_shows_elsewhere_is_left_out_and_told(compare: Compare) -> None:
    first = values(5, 3)
    report = compare("Gated", first, -first, optimizer=("paddle_layers:sgd", "torch_layers:sgd"))
    assert report, str(report)
    assert ("value", 1) in {
        (one.what, one.places) for one in report.omitted if one.omission is Omission.FUSED
    }
    assert not any(lone.path == "bn" for lone in report.unmatched)


class TestLayouts:
    @pytest.mark.parametrize(
        ("name", "paddle", "shape", "words"),
        [
            ("Mixed", {}, (2, 3, 4), "axes 0 and 1 exchanged"),
            ("Mixed", {}, (3, 3, 4), "axes 0 and 1 exchanged"),
            ("Mixed", {"layout": "flat"}, (2, 3, 4), "reshaped"),
            ("Channels", {}, (2, 3, 6, 7), "axes in the order 0, 2, 3, 1"),
            ("Heads", {}, (2, 3, 8), "reshaped"),
        ],
    )
    @pytest.mark.parametrize("options", [{}, LOCKSTEP], ids=["free", "lockstep"])
    def test_that_differ_alone_are_compared_in_the_common_one_and_noted(
        self,
        compare: Compare,
        name: str,
        paddle: dict[str, Any],
        shape: tuple[int, ...],
        words: str,
        options: dict[str, Any],
    ) -> None:
        report = compare(name, values(*shape), paddle=paddle, options=options)
        assert_passes(report)
        [note] = [note for note in report.notes if note.startswith("axes: ")]
        assert words in note
        assert not any("not overridden" in note for note in report.notes)
        gradients = [row for row in report.rows if row.kind is CaptureKind.OUTPUT_GRADIENT and row.rule]
        assert gradients

    @pytest.mark.parametrize("shape", [(2, 3, 4), (3, 3, 4)], ids=["oblong", "square"])
    @pytest.mark.parametrize(
        ("name", "fault", "place"),
        [
            ("Mixed", "axis", ("", CaptureKind.INPUT, "0")),
            ("Mixed", "not turned back", ("b", CaptureKind.OUTPUT, "0")),
            ("Mixed", "scale", ("", CaptureKind.OUTPUT, "0")),
            ("Encoder", 2, ("blocks.2", CaptureKind.OUTPUT, "0")),
        ],
    )
    def test_excuse_no_fault(
        self,
        compare: Compare,
        name: str,
        fault: Any,
        place: tuple[str, CaptureKind, str],
        shape: tuple[int, ...],
    ) -> None:
        report = compare(name, values(*shape), paddle={"fault": fault})
        assert first_place(report) == place, str(report)

    @pytest.mark.parametrize(
        ("name", "fault", "shape", "calls"),
        [
            ("Channels", "flattened as it is", (2, 3, 6, 7), "conv2#0 and fc#0"),
            ("Heads", "scores turned", (2, 3, 8), "v#0 and softmax#0"),
            ("Heads", "scores turned", (2, 2, 8), "v#0 and softmax#0"),
        ],
    )
    def test_that_are_wrong_fail_where_they_are(
        self, compare: Compare, name: str, fault: str, shape: tuple[int, ...], calls: str
    ) -> None:
        report = compare(name, values(*shape), paddle={"fault": fault})
        assert first_place(report)[0] == "", str(report)
        assert report.first_divergence is not None
        assert report.first_divergence.row.between == f"between {calls}"


@pytest.mark.parametrize("options", [{}, LOCKSTEP], ids=["free", "lockstep"])
def test_what_an_inner_layer_returns_in_another_order_is_told_by_its_values(
    compare: Compare, options: dict[str, Any]
) -> None:
    assert_passes(compare("Branches", values(3, 4), options=options))
    report = compare("Branches", values(3, 4), paddle={"fault": "swapped"}, options=options)
    assert first_place(report)[:2] == ("fork", CaptureKind.OUTPUT)


@pytest.mark.parametrize("fault", ["", "swapped"])
def test_arguments_in_another_order_and_of_other_names_pair_by_their_values(service: Any, fault: str) -> None:
    random = np.random.default_rng(0)
    ids, types, mask = (random.integers(0, high, (2, 6)) for high in (11, 11, 2))
    report = auto_diff(
        ModelSpec("paddle", "paddle_places:ThreeInputs", kwargs={"fault": fault}, worker=service.paddle),
        ModelSpec("torch", "torch_places:ThreeInputs", worker=service.torch),
        (Batch(args=(ids, types, mask)), Batch(args=(ids, mask, types))),
        server=service.server,
    )
    if fault:
        assert first_place(report)[:2] == ("", CaptureKind.INPUT)
        assert FindingKind.OTHER_TENSOR in {found.kind for found in report.findings}
        return
    assert_passes(report)
    paired = {
        (row.candidate.slot, row.reference.slot)
        for row in report.all_rows
        if row.kind is CaptureKind.INPUT and row.candidate and row.reference and not row.candidate.path
    }
    assert paired == {("0", "0"), ("1", "2"), ("2", "1")}

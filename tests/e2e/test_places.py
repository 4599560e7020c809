"""Sides that hold the same values in other places: a healthy port passes, a faulty one fails where it is.

Torch is the reference. The models are `models/torch_places.py` and `models/paddle_places.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.words import CaptureKind

Compare = Callable[..., Report]
IDS = np.random.default_rng(0).integers(0, 7, (2, 3))
LOCKSTEP: dict[str, Any] = {"single_step": True}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_places:name` with `torch_places:name`; `swapped` makes Paddle the reference."""

    def run(
        name: str,
        value: np.ndarray,
        *,
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
        given = Batch(args=(value,))
        return auto_diff(layer, module, (given, given), server=service.server, **rest)

    return run


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def assert_passes(report: Report) -> None:
    assert report, str(report)
    coverage = report.coverage
    assert coverage.calls_compared == coverage.calls_total > 0
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
    path, kind, _ = first_place(report)
    # In lockstep, what a call takes is charged to the layer that makes the call.
    assert (path, kind) == ("" if options else "cell", CaptureKind.INPUT)


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

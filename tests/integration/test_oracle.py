"""How far each side is from the reference's float64 run, across real processes, over the NumPy fake."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Options, Row
from padiff_rpc.v1.words import NoteKind, Pass, Phase, Side

X = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
BOTH_WAYS = pytest.mark.parametrize("lockstep", ["single_step", "local_error"])


def compare(
    service: Service,
    name: str,
    reference: dict[str, Any],
    candidate: dict[str, Any],
    *,
    steps: int = 1,
    **options: Any,
) -> Report:
    more = {"optimizer": "fake_models:sgd"} if steps > 1 else {}
    sides = [model(f"gold_models:{name}", **more, **given) for given in (reference, candidate)]
    given = Options(**{"oracle": True, **options})
    return compare_on(service, *sides, Batches(({"x": X}, {"x": X})), given, steps=steps)


def shown(report: Report) -> list[Row]:
    return [row for row in report.all_rows if row.from_gold is not None]


def off(report: Report) -> set[tuple[str, Side]]:
    """Returns which side is off where."""
    return {
        (row.reference.path, row.from_gold.off)
        for row in shown(report)
        if row.reference is not None and row.from_gold is not None and row.from_gold.off is not None
    }


@BOTH_WAYS
def test_healthy_sides_are_equally_far_in_every_row_of_the_judged_pass(
    service: Service, lockstep: str
) -> None:
    report = compare(service, "Coarse", {}, {"offset": 2048.0}, **{lockstep: True})
    assert report, render.text(report)
    calls = (Phase.INPUTS, Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.GRADIENTS)
    judged = [
        row
        for row in report.all_rows
        if row.pass_kind is Pass.LOCKSTEP and row.phase in calls and row.figures is not None
    ]
    assert shown(report) == judged
    assert off(report) == set()
    text = render.text(report)
    assert f"{len(judged)} tensors: both sides are equally far from float64 in {len(judged)}" in text


@BOTH_WAYS
@pytest.mark.parametrize("floor", ["auto", "table"])
def test_of_a_fault_the_candidate_is_off(service: Service, lockstep: str, floor: str) -> None:
    report = compare(service, "Coarse", {}, {"fault": 0.05}, floor=floor, **{lockstep: True})
    assert off(report) == {("rounding", Side.CANDIDATE), ("last", Side.CANDIDATE)}
    first = report.first_divergence
    assert first is not None
    assert first.row.from_gold is not None
    assert first.row.from_gold.off is Side.CANDIDATE
    assert first.row.from_gold.candidate > 100 * first.row.from_gold.reference
    assert "in the candidate: the candidate is off" in first.details
    lines = json.loads(report.to_json())["rows"]["lines"]
    mores = [line[-1] for line in lines if isinstance(line[-1], dict)]
    told = [more["from_gold"] for more in mores if "from_gold" in more]
    assert {one.get("off") for one in told} == {None, "candidate"}


@BOTH_WAYS
def test_of_a_lossy_formula_the_reference_is_off(service: Service, lockstep: str) -> None:
    report = compare(service, "Lossy", {"is_lossy": True}, {}, **{lockstep: True})
    assert ("variance", Side.REFERENCE) in off(report)
    assert Side.CANDIDATE not in {side for _, side in off(report)}
    assert "the reference is off in" in render.text(report)
    again = compare(service, "Lossy", {}, {"is_lossy": True}, **{lockstep: True})
    assert ("variance", Side.CANDIDATE) in off(again)
    assert Side.REFERENCE not in {side for _, side in off(again)}


def test_it_changes_no_verdict(service: Service) -> None:
    for name, sides in (
        ("Coarse", ({}, {"offset": 2048.0})),
        ("Coarse", ({}, {"fault": 0.05})),
        ("Lossy", ({}, {"is_lossy": True})),
    ):
        for options in ({}, {"floor": "table"}, {"compare_mode": "mean"}, {"atol": 0.01}):
            one, other = (compare(service, name, *sides, oracle=asked, **options) for asked in (True, False))
            assert [(row.verdict, row.counts) for row in one.all_rows] == [
                (row.verdict, row.counts) for row in other.all_rows
            ]
            assert shown(one)
            assert not shown(other)


def test_every_step_is_held_against_float64(service: Service) -> None:
    report = compare(service, "Coarse", {}, {}, steps=3)
    assert {row.step for row in shown(report)} == {0, 1, 2}
    assert off(report) == set()


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("Narrow", {}, "float32 wanted, got float64"),
        ("Coarse", {"local_error": False}, "nothing runs in lockstep"),
    ],
)
def test_where_there_is_no_float64_the_report_says_why(
    service: Service, name: str, options: dict[str, Any], why: str
) -> None:
    steps = 2 if options.pop("optimizer", False) else 1
    report = compare(service, name, {}, {}, steps=steps, **options)
    assert not shown(report)
    (note,) = [note for note in report.summary.notes if note.kind is NoteKind.NO_ORACLE]
    assert note.reasons
    (line,) = [note for note in report.notes if note.startswith("oracle: ")]
    assert why in line

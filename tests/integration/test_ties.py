"""Decisions between values that are equal but for rounding, across real processes, over the NumPy fake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import Cause, NoteKind, Phase

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
BOTH_WAYS = pytest.mark.parametrize("lockstep", ["single_step", "local_error"])
# How the candidate decides where both are right.
OTHERWISE: dict[str, dict[str, Any]] = {
    "pooled": {"last": True},
    "chosen": {"last": True},
    "rounded": {"down": True},
}


def compare(service: Service, kind: str, lockstep: str = "single_step", **given: Any) -> Report:
    sides = [model("tie_models:Deciding", kind=kind, **one) for one in ({}, given)]
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, *sides, batches, Options(**{lockstep: True}), steps=1)


def tied(report: Report) -> dict[tuple[Phase, str, str], float]:
    """Returns in which places ties moved how many elements."""
    return {
        (row.phase, row.candidate.path, row.candidate.slot): reason.numbers[0]
        for row in report.rows
        for reason in row.reasons
        if reason.cause is Cause.TIE and row.candidate is not None
    }


def failed(report: Report) -> set[tuple[Phase, str]]:
    return {(row.phase, row.candidate.path) for row in report.rows if fails(row) and row.candidate}


@BOTH_WAYS
@pytest.mark.parametrize("kind", OTHERWISE)
def test_decisions_that_are_none_may_come_out_otherwise(service: Service, kind: str, lockstep: str) -> None:
    report = compare(service, kind, lockstep, **OTHERWISE[kind])
    assert report, render.text(report)
    # A layer's values are what its neighbours get, and give back.
    paths = {path for _, path, _ in tied(report)}
    assert "decide" in paths <= {"before", "decide", "last"}, render.text(report)
    (note,) = [note for note in report.summary.notes if note.kind is NoteKind.TIES]
    assert note.numbers == (0.0, float(len(tied(report))))
    assert "equal up to rounding" in render.text(report)


@pytest.mark.parametrize(
    ("kind", "fault", "phase"),
    [
        ("pooled", {"smaller": True, "fault": 1e-5}, Phase.FORWARD),
        ("pooled", {"last": True, "fault": 1e-5}, Phase.FORWARD),
        ("pooled", {"last": True, "gradient": 1.0001}, Phase.BACKWARD),
        ("chosen", {"last": True, "shift": 2}, Phase.FORWARD),
        ("chosen", {"last": True, "shift": 2, "at": [7]}, Phase.FORWARD),
        ("chosen", {"smallest": True}, Phase.FORWARD),
        ("rounded", {"down": True, "scale": 1.00001}, Phase.FORWARD),
        ("rounded", {"tilt": 1.0}, Phase.FORWARD),
    ],
)
def test_what_is_wrong_beside_them_fails_there(
    service: Service, kind: str, fault: dict[str, Any], phase: Phase
) -> None:
    report = compare(service, kind, **fault)
    assert not report
    first = report.first_divergence
    assert first is not None
    assert (first.row.phase, first.row.candidate and first.row.candidate.path) == (phase, "decide")
    assert {path for _, path in failed(report)} == {"decide"}, render.text(report)


def test_by_the_table_alone_a_decision_that_came_out_otherwise_fails(service: Service) -> None:
    sides = [model("tie_models:Deciding", kind="chosen", last=last) for last in (False, True)]
    options = Options(single_step=True, floor="table")
    assert not compare_on(service, *sides, Batches(({"x": X}, {"x": X})), options, steps=1)

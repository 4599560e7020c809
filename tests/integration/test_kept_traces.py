"""Traces that an earlier comparison has made, across real processes, over the NumPy fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import NoteKind, Side

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
BOTH = [Side.REFERENCE, Side.CANDIDATE]


@pytest.fixture
def reading(tmp_path: Path) -> Model:
    """A model that calls its second layer as often as `times` says."""
    (tmp_path / "times").write_text("1")
    return model("kept_trace_models:Reading", file=str(tmp_path / "times"))


def compare(
    service: Service, reference: Model, candidate: Model | None = None, x: Any = X, **options: Any
) -> Report:
    batches = Batches(({"x": x}, {"x": x}))
    return compare_on(service, reference, candidate or reference, batches, Options(**options), steps=1)


def noted(report: Report, kind: NoteKind) -> list[Side]:
    """The sides of which the report has such a note."""
    return sorted(note.side for note in report.summary.notes if note.kind is kind and note.side)


def told(report: Report) -> list[Any]:
    return [(row.phase, row.candidate, row.verdict, row.reasons) for row in report.all_rows]


def test_the_same_code_is_traced_once_on_one_batch(keeping: Service, reading: Model) -> None:
    first, second = compare(keeping, reading), compare(keeping, reading)
    assert first, render.text(first)
    assert [noted(one, NoteKind.KEPT_TRACE) for one in (first, second)] == [[], sorted(BOTH)]
    assert told(first) == told(second)
    assert first.coverage == second.coverage
    assert "the reference was not traced" in render.text(second)


def test_a_side_that_is_another_is_traced_alone(keeping: Service, reading: Model) -> None:
    compare(keeping, reading)
    other = compare(keeping, reading, model("gold_models:Coarse"))
    assert noted(other, NoteKind.KEPT_TRACE) == [Side.REFERENCE]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"x": X[:3]}, id="shape"),
        pytest.param({"x": X + 1}, id="values"),
        pytest.param({"randomness": "off"}, id="randomness"),
    ],
)
def test_what_may_change_the_calls_is_traced_anew(keeping: Service, reading: Model, given: Any) -> None:
    compare(keeping, reading)
    assert noted(compare(keeping, reading, **given), NoteKind.KEPT_TRACE) == []


def test_a_kept_trace_that_the_first_step_belies_is_told_and_dropped(
    keeping: Service, reading: Model, tmp_path: Path
) -> None:
    compare(keeping, reading)
    (tmp_path / "times").write_text("2")
    belied = compare(keeping, reading)
    assert noted(belied, NoteKind.OTHER_CALLS) == sorted(BOTH)
    assert "compare again" in render.text(belied)
    after = compare(keeping, reading)
    assert after, render.text(after)
    assert noted(after, NoteKind.KEPT_TRACE) == []
    assert sum(row.kind == "output" for row in after.rows if row.step == 0) == 4
    assert noted(compare(keeping, reading), NoteKind.KEPT_TRACE) == sorted(BOTH)


def test_a_fault_is_found_by_a_kept_trace_as_by_a_new_one(keeping: Service) -> None:
    sides = model("gold_models:Coarse", offset=2.0), model("gold_models:Coarse", offset=2.0, fault=0.5)
    first, second = compare(keeping, *sides), compare(keeping, *sides)
    assert not first
    assert noted(second, NoteKind.KEPT_TRACE) == sorted(BOTH)
    assert told(first) == told(second)

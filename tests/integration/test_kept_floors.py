"""Floors that an earlier comparison has measured, across real processes, over the NumPy fake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import NoteKind, Phase

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def compare(service: Service, x: Any = X, reference: Any = None, **candidate: Any) -> Report:
    return compare_on(
        service,
        model("gold_models:Coarse", **(reference or {})),
        model("gold_models:Coarse", offset=2048.0, **candidate),
        Batches(({"x": x}, {"x": x})),
        Options(),
        steps=1,
    )


def is_kept(report: Report) -> bool:
    return any(note.kind is NoteKind.KEPT_FLOORS for note in report.summary.notes)


def has_run_gold(report: Report) -> bool:
    return any(note.kind is NoteKind.GOLD for note in report.summary.notes)


def told(report: Report) -> list[Any]:
    return [(row.phase, row.candidate, row.verdict, row.reasons) for row in report.all_rows]


def sent(report: Report) -> int:
    return sum(one.bytes for one in report.traffic if one.phase is Phase.FORWARD)


def test_what_was_measured_once_on_the_same_values_serves_again(keeping: Service) -> None:
    first, second = compare(keeping), compare(keeping)
    assert first, render.text(first)
    assert (is_kept(first), is_kept(second)) == (False, True)
    assert [has_run_gold(report) for report in (first, second)] == [True, False]
    assert told(first) == told(second)
    assert sent(second) < sent(first)
    assert "an earlier comparison" in render.text(second)


def test_a_fault_fails_by_kept_floors_as_by_new_ones(keeping: Service) -> None:
    first, second = compare(keeping, fault=0.05), compare(keeping, fault=0.05)
    assert is_kept(second)
    assert not first
    assert not second
    assert told(first) == told(second)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"x": X * np.float32(1.5)}, id="input"),
        pytest.param({"reference": {"offset": 1024.0}}, id="reference"),
    ],
)
def test_other_values_are_measured_anew(keeping: Service, given: Any) -> None:
    compare(keeping)
    assert not is_kept(compare(keeping, **given))

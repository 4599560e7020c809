"""Places where halves round so much that nothing can be told, across real processes, over the NumPy fake."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import as_html, render
from padiff_client.exit_codes import MISMATCH
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

X = np.random.default_rng(0).normal(size=(40, 6))
BOTH_WAYS = pytest.mark.parametrize("lockstep", ["single_step", "local_error"])


def compare(
    service: Service, lockstep: str = "single_step", dtype: str = "float16", steps: int = 1, **given: Any
) -> Report:
    more = {"optimizer": "fake_models:sgd"} if steps > 1 else {}
    sides = [model("gold_models:Near", dtype=dtype, **more, **one) for one in ({}, given)]
    batch = {"x": X.astype(dtype)}
    return compare_on(service, *sides, Batches((batch, batch)), Options(**{lockstep: True}), steps=steps)


@BOTH_WAYS
def test_where_rounding_alone_reaches_percents_the_report_says_so_and_neither_passes_nor_names_a_fault(
    service: Service, lockstep: str
) -> None:
    report = compare(service, lockstep, is_factored=True)
    assert not report
    assert report.exit_code == MISMATCH
    assert report.first_divergence is None
    assert report.faults == ()
    untold = report.inconclusive
    assert untold is not None
    assert 0.02 < untold.rounding < 1.0
    assert untold.first.reference is not None
    assert (untold.first.phase, untold.first.reference.path) == (Phase.FORWARD, "centre")
    assert untold.deepest_told is not None
    assert untold.deepest_told.reference is not None
    deepest = untold.deepest_told
    assert (deepest.kind, deepest.reference.path) == (CaptureKind.INPUT, "centre")
    rows = [row for row in report.rows if row.verdict is Verdict.INCONCLUSIVE]
    assert untold.places == len(rows)
    first, *lines = render.text(report).splitlines()
    percents = f"{untold.rounding * 100:.2g}%"
    assert first.startswith(f"INCONCLUSIVE: {untold.places} place")
    assert (
        f"cannot be judged: rounding alone reaches {percents} there; the first is forward of step 0" in first
    )
    assert any("could be judged: forward of step 0: input 0 of centre" in line for line in lines)
    assert f"inconclusive: rounding alone reaches {percents} here" in "\n".join(lines)
    told = json.loads(report.to_json())
    assert (told["passed"], told["inconclusive"]["places"]) == (False, untold.places)
    assert "INCONCLUSIVE: " in as_html.page(report)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("fault", "path"), [({"is_factored": True, "fault": 3.0}, "centre"), ({"fault": 3.0}, "centre")]
)
def test_what_is_further_off_than_rounding_fails_there(
    service: Service, lockstep: str, fault: dict[str, Any], path: str
) -> None:
    report = compare(service, lockstep, **fault)
    assert report.first_divergence is not None
    assert report.first_divergence.path == path
    assert str(report).startswith("FAIL: ")


def test_a_fault_beside_it_is_named_as_ever(service: Service) -> None:
    report = compare(service, is_factored=True, gradient=1.5)
    assert report.inconclusive is not None
    assert report.first_divergence is not None
    assert {row.candidate.path for row in report.rows if fails(row) and row.candidate} == {"last"}
    first, *lines = str(report).splitlines()
    assert first.startswith("FAIL: ")
    assert any(line.startswith("  untold") for line in lines)


def test_nothing_stops_for_it(service: Service) -> None:
    report = compare(service, "local_error", steps=2, is_factored=True)
    assert [step.passed for step in report.steps] == [True, True]
    assert report.inconclusive is not None


@BOTH_WAYS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wider_dtypes_can_always_be_told(service: Service, lockstep: str, dtype: str) -> None:
    report = compare(service, lockstep, dtype, is_factored=True)
    assert report.inconclusive is None
    assert Verdict.INCONCLUSIVE not in {row.verdict for row in report.all_rows}


@BOTH_WAYS
def test_halves_that_agree_pass(service: Service, lockstep: str) -> None:
    report = compare(service, lockstep)
    assert report, render.text(report)
    assert report.inconclusive is None

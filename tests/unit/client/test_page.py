"""The page of a report: it stands by itself, holds the whole report, and runs nothing of a model's."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from padiff_client import Report, as_html, error_maps, page_content
from padiff_rpc.v1.records import (
    Coverage,
    Figures,
    FirstDivergence,
    ModelFailure,
    Place,
    PlanPair,
    Reason,
    ReportSummary,
    Row,
    Tolerance,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    Difference,
    PairedBy,
    Pass,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> <!-- & $title'


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "step": 0,
        "phase": Phase.FORWARD,
        "kind": CaptureKind.OUTPUT,
        "order": 1,
        "verdict": Verdict.MISMATCH,
        "reference": Place(path="a", class_name="Linear", slot="0"),
        "candidate": Place(path="b", class_name="Linear", slot="0"),
        "figures": Figures(elements=4, bitwise_equal=False, relative_l2=1 / 3, histogram=(1,) * 40),
        "tolerance": Tolerance(atol=1e-6, rtol=1e-6, source=ToleranceSource.DEFAULT, relative_l2=1e-6),
    }
    return Row(**{**values, **changes})


def report(*rows: Row, **changes: Any) -> Report:
    return Report(ReportSummary(**{"session": "s", "passed": False, "coverage": Coverage(), **changes}), rows)


def content_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def test_nothing_of_a_hostile_model_becomes_markup() -> None:
    place = Place(path=HOSTILE, class_name=HOSTILE, slot=HOSTILE)
    raised = ModelFailure(
        phase=Phase.FORWARD, side=Side.CANDIDATE, exception=HOSTILE, text=HOSTILE, traceback=HOSTILE
    )
    hostile = report(
        row(reference=place, candidate=place, reasons=(Reason(cause=Cause.MESSAGE, names=(HOSTILE,)),)),
        plan=(PlanPair(how=PairedBy.ROOT, reference=place, candidate=place),),
        failures=(raised,),
    )
    page = as_html.page(hostile)
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "<img" not in page
    # Nothing is lost by that: the script reads the same text.
    content = content_of(page)
    assert content["report"]["failures"][0]["traceback"] == HOSTILE
    assert content["parts"][content["rows"][0][content["columns"].index("reference")]]["path"] == HOSTILE


def test_the_page_fetches_nothing_and_runs_its_own_script_alone() -> None:
    page = as_html.page(report(row()))
    assert not re.findall(r"(?:src|href)=|url\(|@import|fetch\(", page)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 2


def test_rows_share_their_equal_parts_and_keep_every_figure() -> None:
    rows = [row(order=n) for n in range(50)]
    content = page_content.content(report(*rows, first_divergence=None))
    columns = content["columns"]
    places = {tuple(one[columns.index("reference")] for one in content["rows"])}
    assert len(set(places.pop())) == 1
    figures = dict(zip(content["figures"], content["rows"][7][columns.index("figures")]))
    assert figures["relative_l2"] == pytest.approx(1 / 3, rel=1e-8)
    assert figures["histogram"] == [1] * 40


def test_a_place_names_the_rows_of_both_passes_and_what_they_mean() -> None:
    free = row(twin=3, counts=False)
    local = row(twin=3, pass_kind=Pass.LOCKSTEP, verdict=Verdict.WITHIN_TOLERANCE)
    alone = row(order=2, twin=0)
    content = page_content.content(report(free, local, alone))
    assert content["places"] == [[0, 1, 0, "accumulation"], [2, None, 2, "a fault"]]


def test_the_first_divergence_is_named_by_its_row() -> None:
    first = row(order=5)
    found = FirstDivergence(row=row(order=5), cause=Difference.VALUE, position=1, compared=2)
    content = page_content.content(report(row(verdict=Verdict.MATCH), first, first_divergence=found))
    assert content["divergence"] == 1


def test_a_large_report_keeps_histograms_of_faults_alone() -> None:
    agreeing = row(verdict=Verdict.MATCH)
    content = page_content.content(report(*[agreeing] * 20_001, row()))
    at = content["columns"].index("figures")
    brief, whole = (content["rows"][n][at] for n in (0, 20_001))
    assert len(brief) < len(whole) == len(content["figures"])


def test_maps_show_the_channel_that_differs() -> None:
    reference = np.zeros((2, 5, 4, 3), np.float32)
    candidate = reference.copy()
    candidate[1, 3] = 0.5
    found = error_maps.of_tensors(reference, candidate)
    along = {one["axis"]: one["levels"] for one in found["along"]}
    assert along[1] == [0, 0, 0, 99, 0]
    assert along[0] == [0, 99]
    assert {tuple(one["axes"]) for one in found["over"]} == {(1, 2), (1, 3), (2, 3)}
    assert found["worst"][0][1:] == ["0", "0.5", 0.5]
    assert found["worst"][0][0][:2] == [1, 3]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_on_one_side_is_the_largest_difference(value: float) -> None:
    reference = np.array([1.0, 2.0, value, value])
    candidate = np.array([1.5, 2.0, value, 1.0])
    found = error_maps.of_tensors(reference, candidate)
    (along,) = found["along"]
    assert along["levels"][3] == 99
    assert along["levels"][2] == 0
    assert found["worst"][0][0] == [3]


def test_long_axes_are_drawn_in_a_bounded_number_of_cells() -> None:
    reference = np.zeros((3000, 2000), np.float16)
    candidate = reference.copy()
    candidate[2999, 0] = 1
    found = error_maps.of_tensors(reference, candidate)
    (over,) = found["over"]
    assert (len(over["levels"]), len(over["levels"][0])) == (48, 48)
    assert over["levels"][47][0] == 99


def test_tensors_that_agree_or_do_not_fit_have_no_map() -> None:
    assert not error_maps.of_tensors(np.ones(3), np.ones(3))
    assert not error_maps.of_tensors(np.ones(3), np.ones(4))

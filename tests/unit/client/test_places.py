"""Both errors of each place: what they mean, and how they read."""

from __future__ import annotations

import math
import re
from typing import Any, Optional

import pytest

from padiff_client import Report
from padiff_rpc.v1.records import Coverage, Figures, Place, ReportSummary, Row
from padiff_rpc.v1.words import CaptureKind, Pass, Phase, Verdict

OK, OFF, LEFT_OUT = Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH, Verdict.NOT_COMPARED


def row(pass_kind: Pass, verdict: Verdict, path: str, twin: int, error: float = 0.0, **rest: Any) -> Row:
    place = Place(path=path, class_name="Linear", slot="0")
    return Row(
        step=rest.pop("step", 0),
        phase=Phase.FORWARD,
        kind=CaptureKind.OUTPUT,
        order=twin,
        verdict=verdict,
        reference=place,
        candidate=place,
        figures=Figures(elements=4, bitwise_equal=False, relative_l2=error),
        pass_kind=pass_kind,
        twin=twin,
        **rest,
    )


def both(
    path: str, twin: int, local: tuple[Verdict, float], free: tuple[Verdict, float], **rest: Any
) -> list[Row]:
    # As the coordinator sends them: a free row whose twin tells all does not count.
    counts = free[0] is OFF and local[0] is LEFT_OUT
    return [
        row(Pass.LOCKSTEP, local[0], path, twin, local[1], **rest),
        row(Pass.FREE, free[0], path, twin, free[1], counts=counts, **rest),
    ]


def report(*rows: Row, passed: bool = True) -> Report:
    summary = ReportSummary(session="s", passed=passed, coverage=Coverage(), has_local_errors=True)
    return Report(summary, rows)


@pytest.mark.parametrize(
    ("local", "free", "meaning"),
    [
        ((OK, 1e-7), (OK, 1e-6), "agrees"),
        ((OK, 1e-7), (OFF, 1e-2), "accumulation"),
        ((OFF, 1e-2), (OFF, 1e-2), "a fault"),
        ((OFF, 1e-5), (OK, 1e-5), "a fault"),
        ((LEFT_OUT, 0.0), (OFF, 1e-2), "a fault"),
        ((LEFT_OUT, 0.0), (LEFT_OUT, 0.0), "not compared"),
    ],
)
def test_what_two_errors_mean(
    local: tuple[Verdict, float], free: tuple[Verdict, float], meaning: str
) -> None:
    [one] = report(*both("fc", 1, local, free)).places
    assert one.meaning == meaning


def test_a_tensor_that_was_judged_where_it_was_made_is_not_judged_again() -> None:
    local = row(Pass.LOCKSTEP, LEFT_OUT, "fc2", 2, 0.5, counts=False)
    free = row(Pass.FREE, OFF, "fc2", 2, 0.5, counts=False)
    [one] = report(local, free).places
    assert one.meaning == "not judged here"


def test_places_of_several_steps_are_kept_apart() -> None:
    rows = [*both("fc", 1, (OK, 0.0), (OK, 0.0)), *both("fc", 1, (OK, 0.0), (OFF, 0.5), step=1)]
    assert [one.meaning for one in report(*rows).places] == ["agrees", "accumulation"]


def line(text: str, path: str) -> Optional[str]:
    return next((line for line in text.splitlines() if f"of {path} (Linear):" in line), None)


def test_the_text_shows_both_errors_and_says_what_they_are() -> None:
    text = str(
        report(
            *both("first", 1, (OFF, 2e-3), (OFF, 2.5e-3)),
            *both("second", 2, (OK, 3e-8), (OFF, 4e-3)),
            *both("third", 3, (OK, 3e-8), (OK, 5e-4)),
            passed=False,
        )
    )
    assert "1 place at fault; 1 place differs by accumulation alone, and agrees" in text
    fault, grown = line(text, "first"), line(text, "second")
    assert fault is not None
    assert grown is not None
    assert fault.split()[:2] == ["0.0025", "0.002"]
    assert fault.endswith(": a fault")
    assert grown.split()[:2] == ["0.004", "3e-08"]
    assert grown.endswith(": accumulation")
    assert line(text, "third") is None, "neither at fault nor the worst of its phase"


def test_more_faults_than_fit_are_counted() -> None:
    rows = [one for number in range(1, 21) for one in both(f"fc{number}", number, (OFF, 0.1), (OFF, 0.1))]
    text = str(report(*rows, passed=False))
    assert "20 places at fault" in text
    assert "12 more faults (report.faults)" in text


def test_the_card_of_a_notebook_lists_faults_alone_and_draws_both_errors() -> None:
    card = report(
        *both("second", 2, (OK, 3e-8), (OFF, 4e-3)),
        *both("first", 1, (OFF, 2e-3), (OFF, 2.5e-3)),
        passed=False,
    )._repr_html_()
    table = card[card.index("<table>") :]
    assert "first (Linear)" in table
    assert re.search("<td[^>]*>0.002</td>", table)
    assert "second (Linear)" not in table
    curve = card[card.index("<svg") : card.index("</svg>")]
    assert curve.count("<polyline") == 2
    assert curve.count("<circle") == 1
    assert "relative L2 error of 2 places in execution order; the first fault: output 0 of first" in curve


def test_the_card_runs_no_script_and_needs_no_style_sheet() -> None:
    card = report(*both("first", 1, (OFF, math.inf), (OFF, math.nan)), passed=False)._repr_html_()
    assert not re.findall("<script|<style|<link|class=", card)


def test_a_report_of_one_pass_has_no_such_table() -> None:
    alone = row(Pass.FREE, OK, "fc", 0, 1e-7)
    summary = ReportSummary(session="s", passed=True, coverage=Coverage())
    plain = Report(summary, [alone])
    assert plain.places == ()
    assert "errors" not in str(plain)
    assert "accumulated" not in plain._repr_html_()

"""Two runs against each other: which places are the same, what became of them, what else differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

import page_reports
import pytest

from padiff_client import Report
from padiff_client.places import PlaceErrors
from padiff_client.two_runs import Change, change, place_changes, setting_changes
from padiff_compare.report.finished import FinishedReport
from padiff_rpc.v1.records import Figures, Options, Place, Row
from padiff_rpc.v1.words import CaptureKind, DiffPhase, Pass, Phase, Verdict

OK, OFF, OMITTED, UNTOLD = (
    Verdict.WITHIN_TOLERANCE,
    Verdict.MISMATCH,
    Verdict.NOT_COMPARED,
    Verdict.INCONCLUSIVE,
)


def row(verdict: Verdict, error: float = 0.0, *, path: str = "fc", counts: bool = True, **given: Any) -> Row:
    place = Place(path=path, class_name="Linear", slot="0")
    values: dict[str, Any] = {"step": 0, "phase": Phase.FORWARD, "kind": CaptureKind.OUTPUT, "order": 0}
    figures = Figures(elements=4, bitwise_equal=False, relative_l2=error) if verdict is not OMITTED else None
    return Row(
        **{**values, "reference": place, "candidate": place, "figures": figures, **given},
        verdict=verdict,
        counts=counts,
    )


def place(verdict: Verdict, error: float = 0.0) -> PlaceErrors:
    return PlaceErrors(local=row(verdict, error, pass_kind=Pass.LOCKSTEP))


def accumulated(error: float) -> PlaceErrors:
    return PlaceErrors(
        accumulated=row(OFF, error, counts=False), local=row(OK, 1e-9, pass_kind=Pass.LOCKSTEP)
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (place(OFF, 1e-3), place(OK, 1e-7), Change.BETTER),
        (place(OK, 1e-7), place(OFF, 1e-3), Change.WORSE),
        (accumulated(1e-3), place(OFF, 1e-3), Change.WORSE),
        (place(OFF, 1e-3), accumulated(1e-3), Change.BETTER),
        (place(UNTOLD), place(OFF, 1e-3), Change.WORSE),
        (place(OFF, 1e-3), place(OFF, 1.9e-3), Change.SAME),
        (place(OFF, 1e-3), place(OFF, 2.1e-3), Change.WORSE),
        (place(OFF, 1e-3), place(OFF, 4e-4), Change.BETTER),
        (place(OFF, 1e-3), place(OFF, float("nan")), Change.WORSE),
        (place(OFF, float("inf")), place(OFF, float("nan")), Change.SAME),
        (accumulated(1e-3), accumulated(1e-2), Change.WORSE),
        # Both agree: rounding moved, nothing else.
        (place(OK, 1e-9), place(OK, 1e-7), Change.SAME),
        (None, place(OK), Change.NEW),
        (place(OMITTED), place(OFF, 1e-3), Change.NEW),
        (place(OFF, 1e-3), None, Change.GONE),
        # Not worse, and not better either: nobody knows.
        (place(OFF, 1e-3), place(OMITTED), Change.GONE),
        (place(OMITTED), None, Change.SAME),
    ],
)
def test_a_place_is_worse_or_better_by_its_verdict_then_by_its_error(
    before: Optional[PlaceErrors], after: Optional[PlaceErrors], expected: Change
) -> None:
    assert change(before, after) is expected


def report(*rows: Row) -> Report:
    return Report(replace(page_reports.trained().summary, plan=(), environments=()), rows)


def test_places_are_the_same_by_the_references_layer_whatever_the_candidate_calls_its_own() -> None:
    other = Place(path="renamed", class_name="Linear", slot="0")
    (found,) = place_changes(report(row(OFF, 1e-3)), report(row(OK, 1e-7, candidate=other)))
    assert found.change is Change.BETTER


def test_a_place_that_shows_twice_in_a_step_pairs_in_order() -> None:
    before = report(row(OK), row(OFF, 1e-3))
    after = report(row(OK), row(OK))
    assert [one.change for one in place_changes(before, after)] == [Change.SAME, Change.BETTER]


def test_what_one_run_alone_has_is_listed_behind_what_both_have() -> None:
    before = report(row(OK, path="gone"), row(OK, path="both"))
    after = report(row(OK, path="both"), row(OK, path="new"))
    found = [
        (one.change, (one.after or one.before).row.reference.path)  # type: ignore[union-attr]
        for one in place_changes(before, after)
    ]
    assert found == [(Change.SAME, "both"), (Change.NEW, "new"), (Change.GONE, "gone")]


def test_a_run_against_itself_has_not_changed() -> None:
    whole = page_reports.trained()
    run = Report(whole.summary, whole.rows)
    assert {one.change for one in place_changes(run, run)} == {Change.SAME}
    head = page_reports.head_of(whole)
    assert setting_changes((head, run), (head, run)) == []


def test_options_models_versions_settings_and_pairs_of_layers_that_differ_are_listed() -> None:
    def run(whole: FinishedReport, **changes: Any) -> Any:
        return replace(page_reports.head_of(whole), **changes), Report(whole.summary, whole.rows)

    whole = page_reports.trained()
    (reference, candidate), (first, *others) = whole.summary.environments, whole.summary.plan
    moved = replace(candidate, worker=replace(candidate.worker, framework_version="3.1"), train=False)
    other = replace(
        whole,
        summary=replace(
            whole.summary,
            environments=(reference, moved),
            hyper_parameters=(),
            plan=(replace(first, candidate=None), *others),
        ),
    )
    found = setting_changes(
        run(whole, options=Options(diff_phase=DiffPhase.FORWARD)),
        run(other, candidate="paddle net:mended", options=Options(rtol=0.5)),
    )
    told = {(one.part, one.name): (one.before, one.after) for one in found}
    assert told == {
        ("candidate", "model"): ("paddle net:candidate", "paddle net:mended"),
        ("options", "rtol"): ("default", "0.5"),
        ("options", "diff_phase"): ("forward", "default"),
        ("candidate", "framework"): ("paddle 1.0", "paddle 3.1"),
        ("candidate", "mode"): ("train", "eval"),
        ("encoder.norm / body.norm", "epsilon"): ("1e-05 / 1e-06", ""),
        ("the root", "partner of the reference's layer"): ("the root", "no partner"),
    }

"""The report: what it claims, and how it reads."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from sample_reports import environment

from padiff_client import InvalidRequestError, NotFoundError, Report, as_html, wording
from padiff_client.layer_trees import MARK
from padiff_compare.report.finished import FinishedReport
from padiff_compare.report.kept_run import KeptRun, RunHead, RunWriter
from padiff_rpc.v1.records import (
    Activity,
    Coverage,
    Figures,
    FirstDivergence,
    HyperParameterDifference,
    LayerCall,
    ModelFailure,
    Note,
    Omitted,
    OwnBounds,
    Place,
    PlanPair,
    RandomOperation,
    Reason,
    ReportSummary,
    Row,
    RunToRunNoise,
    SourceLine,
    StepResult,
    TensorSpec,
    Tolerance,
    Trouble,
    Unmatched,
    WorstElement,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    Difference,
    DType,
    LoneKind,
    NoteKind,
    Omission,
    OmittedKind,
    PairedBy,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

FULL = Coverage(
    tensors_compared=151,
    tensors_total=158,
    calls_compared=40,
    calls_total=40,
    parameters_compared=4,
    parameters_total=4,
    root_outputs_compared=1,
    root_outputs_total=1,
)
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 8))


def said(text: str) -> Reason:
    return Reason(cause=Cause.MESSAGE, names=(text,))


def noted(text: str) -> Note:
    return Note(kind=NoteKind.MESSAGE, names=(text,))


def place(path: str, class_name: str, **rest: Any) -> Place:
    return Place(path=path, class_name=class_name, spec=SPEC, **rest)


def norm_row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "step": 0,
        "phase": Phase.FORWARD,
        "kind": CaptureKind.OUTPUT,
        "order": 3,
        "verdict": Verdict.MISMATCH,
        "reference": place(
            "encoder.norm",
            "LayerNorm",
            call=1,
            slot="0",
            source=SourceLine(file="model.py", line=31, text="  x = self.norm(x)"),
        ),
        "candidate": place("body.norm", "LayerNorm2", call=1, slot="0"),
        "figures": Figures(
            elements=16,
            bitwise_equal=False,
            max_abs=0.25,
            relative_l2=0.1,
            mismatches=4,
            worst=(WorstElement(index=(1, 7), reference=1.0, candidate=1.25, abs_diff=0.25),),
        ),
        "tolerance": Tolerance(atol=1e-5, rtol=1e-4, source=ToleranceSource.USER),
    }
    return Row(**{**values, **changes})


def plan() -> tuple[PlanPair, ...]:
    names = ["", "encoder", "encoder.a", "encoder.b", "encoder.c", "encoder.norm", "encoder.d", "head"]
    return tuple(
        PlanPair(
            how=PairedBy.SAME_PATH,
            reference=Place(path=name, class_name=name.rpartition(".")[2].title() or "Net"),
            candidate=Place(path=name.replace("encoder", "body"), class_name="Same"),
        )
        for name in names
    )


def failing(**changes: Any) -> Report:
    row = norm_row(**changes)
    found = FirstDivergence(row=row, cause=Difference.VALUE, position=17, compared=151)
    summary = ReportSummary(
        session="s", passed=False, coverage=FULL, first_divergence=found, plan=plan(), seconds=1.5
    )
    return Report(summary, [row])


def passing(**changes: Any) -> Report:
    values: dict[str, Any] = {"session": "s", "passed": True, "coverage": FULL}
    return Report(ReportSummary(**{**values, **changes}), [norm_row(verdict=Verdict.WITHIN_TOLERANCE)])


def test_a_pass_is_true_and_short() -> None:
    report = passing(steps=(StepResult(step=0, passed=True, loss_reference=0.5, loss_candidate=0.5),))
    assert report
    assert report.exit_code == 0
    assert report.first_divergence is None
    assert report.reasons == ()
    lines = str(report).splitlines()
    assert lines[0] == "PASS: the models agree"
    assert len(lines) <= 10
    assert "151 of 158 tensors, 40 of 40 calls, 4 of 4 parameters" in str(report)
    assert "relative L2 0.1 (output 0 of encoder.norm (LayerNorm) / body.norm (LayerNorm2), call 1)" in str(
        report
    )


def test_a_pass_says_in_its_first_line_what_was_not_compared() -> None:
    random = Omitted(what=OmittedKind.GRADIENT, omission=Omission.RANDOM, places=12, layers=3)
    weight = Omitted(what=OmittedKind.WEIGHT, omission=Omission.ONE_SIDED, places=1, layers=1)
    report = passing(omitted=(random,))
    assert report
    assert report.omitted == (random,)
    chance = "they depend on random decisions that the sides do not share"
    assert str(report).splitlines()[0] == f"PASS, but 12 gradients of 3 layers were not compared: {chance}"
    assert str(passing(omitted=(weight, random))).splitlines()[0] == (
        "PASS, but 1 weight of 1 layer was not compared: only one side has any; "
        f"12 gradients of 3 layers: {chance}"
    )
    assert str(
        passing(omitted=(Omitted(what=OmittedKind.GRADIENT, omission=Omission.NO_BACKWARD),))
    ).startswith("PASS, but no gradients were compared: ")
    assert json.loads(report.to_json())["omitted"] == [
        {"what": "gradient", "omission": "random", "places": 12, "layers": 3}
    ]


def test_bounds_of_the_users_own_are_told_with_what_agrees_by_them_alone() -> None:
    row = norm_row(
        verdict=Verdict.WITHIN_TOLERANCE, reasons=(Reason(cause=Cause.BY_OWN_BOUNDS, numbers=(1234.0,)),)
    )
    left_out = Omitted(what=OmittedKind.GRADIENT, omission=Omission.ONE_SIDED, places=1, layers=1)
    summary = ReportSummary(
        session="s",
        passed=True,
        coverage=FULL,
        bounds=OwnBounds(rtol=1e-4, places=12),
        omitted=(left_out,),
    )
    first, *lines = str(Report(summary, [row])).splitlines()
    assert first == (
        "PASS under your rtol=0.0001; 12 places exceed rounding; 1 gradient of 1 layer was not compared: "
        "only one side has any"
    )
    assert lines[0] == (
        "  bounds     your rtol=0.0001 decided: |candidate - reference| <= 0 + 0.0001 * |reference|; atol "
        "was not given, and so is 0"
    )
    assert "output 0 of encoder.norm (LayerNorm)" in lines[1]
    assert "1.2e+03 times what rounding makes there" in lines[1]
    html = as_html.page(Report(summary, [row]))
    assert "PASS under your rtol=0.0001; 12 places exceed rounding" in html


@pytest.mark.parametrize("omission", list(Omission))
def test_every_cause_has_its_words(omission: Omission) -> None:
    assert wording.omitted([Omitted(what=OmittedKind.VALUE, omission=omission, places=1, layers=1)])


def test_the_first_divergence_says_where_how_much_and_what_was_allowed() -> None:
    report = failing()
    found = report.first_divergence
    assert found is not None
    assert (found.path, found.call, found.step, found.phase, found.kind) == (
        "encoder.norm",
        1,
        0,
        Phase.FORWARD,
        CaptureKind.OUTPUT,
    )
    text = str(found)
    for said in (
        "first divergence: forward of step 0, output 0 of encoder.norm (LayerNorm)",
        "reference  encoder.norm (LayerNorm), float32[2, 8], call 1, made at model.py:31: x = self.norm(x)",
        "candidate  body.norm (LayerNorm2), float32[2, 8], call 1",
        "max abs 0.25, relative L2 0.1, 4 of 16 elements outside (25.0%)",
        "[1, 7]: reference 1, candidate 1.25, 0.25 apart",
        "1e-05 + 0.0001 * |reference| (user)",
        "first among 151 of 158 compared, number 17 of the 151 of its step",
    ):
        assert said in text
    assert report.exit_code == 1
    assert str(report).startswith("FAIL: forward of step 0, output 0 of encoder.norm")


def test_the_headline_is_printed_once() -> None:
    report = failing()
    assert report.first_divergence is not None
    said = report.first_divergence.summary
    assert str(report).count(said) == 1
    assert str(report).splitlines()[0] == f"FAIL: {said}"
    assert "\nfirst divergence:\n  reference  encoder.norm" in str(report)
    assert report._repr_html_().count(said) == 1
    lost = Trouble(phase=Phase.BACKWARD, text="the worker is gone", side=Side.CANDIDATE, step=2)
    # What ended the comparison is said first, and the divergence below it.
    cut = Report(dataclasses.replace(report.summary, troubles=(lost,)), report.rows)
    assert str(cut).startswith("FAIL: cut short: ")
    assert str(cut).count(said) == 1
    assert f"first divergence: {said}" in str(cut)


def test_a_reason_that_the_headline_happens_to_hold_is_still_a_reason_of_its_own() -> None:
    lost = Trouble(phase=Phase.LOAD, text="the worker is gone, so nothing was compared", side=Side.CANDIDATE)
    cut = Report(ReportSummary(session="s", passed=False, coverage=Coverage(), troubles=(lost,)))
    assert cut.reasons[1:] == ("nothing was compared",)
    assert "\n  because    nothing was compared\n" in str(cut)


def test_settings_that_differ_come_before_any_number() -> None:
    different = HyperParameterDifference(
        reference_path="norm", candidate_path="ln", name="epsilon", reference="1e-05", candidate="1e-06"
    )
    lines = str(passing(hyper_parameters=(different,))).splitlines()
    assert lines[1] == "  settings   norm / ln: epsilon is 1e-05 in the reference, 1e-06 in the candidate"
    many = str(passing(hyper_parameters=(different,) * 12))
    assert "... 4 more (report.hyper_parameters)" in many


def test_the_layer_tree_is_marked_on_both_sides() -> None:
    found = failing().first_divergence
    assert found is not None
    assert found.tree.splitlines() == [
        "  reference:                                candidate:",
        "  Net                                       Same",
        "  ├── encoder (Encoder)                     ├── body (Same)",
        "  │   ├── ... 1 more                        │   ├── ... 1 more",
        "  │   ├── b (B)                             │   ├── b (Same)",
        "  │   ├── c (C)                             │   ├── c (Same)",
        f"  │   ├── norm (Norm)  {MARK}    │   ├── norm (Same)  {MARK}",
        "  │   └── d (D)                             │   └── d (Same)",
        "  └── head (Head)                           └── head (Same)",
    ]


def test_wide_trees_stand_one_under_the_other() -> None:
    report = failing(reference=place("encoder." + "long" * 20, "Deep"))
    found = report.first_divergence
    assert found is not None
    lines = found.tree.splitlines()
    assert lines.index("  candidate:") > lines.index("  reference:") + 1
    assert found.tree.count(MARK) == 2


def test_a_side_without_a_partner_says_so() -> None:
    report = failing(
        candidate=None, verdict=Verdict.UNMATCHED, figures=None, reasons=(said("one more output"),)
    )
    text = str(report.first_divergence)
    assert "candidate  has none" in text
    assert "one more output" in text
    assert text.count(MARK) == 1


def test_nan_is_counted_and_placed() -> None:
    figures = Figures(
        elements=4, bitwise_equal=False, nan_reference=1, nan_candidate=2, first_nonfinite=(0, 3)
    )
    report = failing(figures=figures, verdict=Verdict.NONFINITE)
    assert "NaN: 1 in the reference, 2 in the candidate, first at [0, 3]" in str(report)


def test_a_failing_report_explains_itself_even_where_no_row_differs() -> None:
    missing = Unmatched(
        side=Side.REFERENCE, what=LoneKind.PARAMETER, path="fc", class_name="Linear", name="bias", counts=True
    )
    coverage = Coverage(tensors_compared=3, tensors_total=3, parameters_compared=1, parameters_total=2)
    report = Report(ReportSummary(session="s", passed=False, coverage=coverage, unmatched=(missing,)))
    assert report.reasons == (
        "only the reference has the parameter bias of fc (Linear)",
        "only 1 of 2 parameters were compared",
    )
    assert report.exit_code == 1
    assert str(report).startswith("FAIL: only the reference has the parameter bias of fc (Linear)")


def test_modes_that_differ_are_the_first_reason_of_a_failure_alone() -> None:
    sides = tuple(environment(side, train=side is Side.REFERENCE) for side in Side)
    coverage = Coverage(tensors_compared=3, tensors_total=3, parameters_compared=1, parameters_total=2)
    report = Report(ReportSummary(session="s", passed=False, coverage=coverage, environments=sides))
    assert report.reasons[0] == (
        "the reference in train mode, the candidate in eval mode: they compute differently; give both the "
        "same train"
    )
    alike = tuple(environment(side, train=True) for side in Side)
    report = Report(ReportSummary(session="s", passed=False, coverage=coverage, environments=alike))
    assert "mode" not in report.reasons[0]
    assert passing(environments=sides).reasons == ()


def test_what_cut_the_comparison_short_makes_it_trouble() -> None:
    lost = Trouble(phase=Phase.BACKWARD, text="the worker is gone", side=Side.CANDIDATE, step=2)
    report = passing(troubles=(lost,))
    assert not report
    assert report.exit_code == 2
    assert "the candidate, backward of step 2: the worker is gone" in str(report)
    raised = ModelFailure(
        phase=Phase.FORWARD,
        side=Side.REFERENCE,
        path="fc",
        exception="ValueError",
        text="bad\n  shape\tof x\n",
        traceback="Traceback:\n  File x\nValueError: bad",
    )
    report = passing(failures=(raised,))
    assert report.exit_code == 2
    assert "the reference raised ValueError in fc (forward of step 0): bad shape of x\n" in str(report)
    assert "    ValueError: bad" in str(report)


def test_text_from_a_model_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in str(passing(notes=(noted("\x1b[31mred"),)))
    raised = ModelFailure(
        phase=Phase.FORWARD, side=Side.REFERENCE, path="", exception="\x1b[2J", text="", traceback=""
    )
    assert r"the reference raised \x1b[2J (forward" in str(passing(failures=(raised,)))


def test_json_is_valid_and_keeps_every_key() -> None:
    report = failing()
    content = json.loads(report.to_json(), parse_constant=lambda text: pytest.fail(text))
    assert content["schema"] == "padiff-report/3"
    assert content["passed"] is False
    assert content["exit_code"] == 1
    assert content["rows"]["lines"][0][-1]["figures"]["cosine"] == "nan"
    assert content["specs"] == [{"dtype": "float32", "shape": [2, 8]}]
    assert content["first_divergence"]["text"] == str(report.first_divergence)
    described = (Path(__file__).resolve().parents[3] / "docs" / "report.md").read_text()
    for key in {*content, *(field.name for field in fields(ReportSummary))}:
        assert f"`{key}`" in described


def test_infinite_values_are_text_in_json() -> None:
    worst = (WorstElement(index=(), reference=-math.inf, candidate=math.inf, abs_diff=math.inf),)
    report = failing(figures=Figures(elements=1, bitwise_equal=False, worst=worst))
    element = json.loads(report.to_json())["rows"]["lines"][0][-1]["figures"]["worst"][0]
    assert (element["reference"], element["candidate"]) == ("-inf", "inf")


def test_html_escapes_what_comes_from_the_models() -> None:
    report = failing(figures=None, reasons=(said("<script>alert(1)</script>"),))
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()


def test_a_report_is_saved_by_suffix(tmp_path: Path) -> None:
    report = failing()
    for suffix, start in ((".json", "{"), (".txt", "FAIL"), (".html", "<!doctype html>")):
        file = tmp_path / f"report{suffix}"
        report.save(file)
        assert file.read_text().startswith(start)
    with pytest.raises(
        InvalidRequestError, match=r"allowed suffixes: \.txt, \.json, \.full\.json, \.html, \.xml"
    ):
        report.save(tmp_path / "report.pdf")
    with pytest.raises(InvalidRequestError, match=r"path: .*/nowhere is not a folder; create it first"):
        report.save(tmp_path / "nowhere" / "report.json")


def test_notes_and_what_may_be_unmatched_are_listed() -> None:
    gap = Unmatched(
        side=Side.CANDIDATE,
        what=LoneKind.CALL,
        path="relu",
        class_name="ReLU",
        reasons=(said("functional there"),),
    )
    text = str(passing(notes=(noted("the models have no gradients"),), unmatched=(gap,)))
    assert "the models have no gradients" in text
    assert "only the candidate has the call of relu (ReLU): functional there" in text


def dropout(path: str, side: Side, **changes: Any) -> RandomOperation:
    return RandomOperation(
        **{"path": path, "call": 0, "name": "dropout", "shared": True, "side": side, **changes}
    )


def test_random_decisions_are_counted_where_shared_and_named_where_not() -> None:
    left = {"name": "poisson", "shared": False, "reasons": (said("not known"),)}
    operations = [
        *(dropout(path, side) for side in Side for path in ("a", "b")),
        *(dropout("head", side, **left) for side in Side),
    ]
    lines = str(passing(random_operations=tuple(operations))).splitlines()
    assert "  random     2 decisions of the reference and 2 of the candidate are the same: dropout" in lines
    assert any(
        line.endswith("poisson in head#0 (reference), head#0 (candidate): not known") for line in lines
    )


def test_many_places_of_one_operation_take_one_line() -> None:
    many = tuple(dropout(f"block.{n}", Side.REFERENCE, shared=False) for n in range(9))
    text = str(passing(random_operations=many))
    assert "block.3#0 (reference) and 5 more: not shared" in text
    assert "block.4" not in text


def test_a_place_that_decides_often_is_named_once() -> None:
    text = str(passing(random_operations=(dropout("head", Side.REFERENCE, shared=False),) * 3))
    assert "dropout in head#0 (reference) 3 times: not shared" in text


def test_noise_is_told_where_a_model_differs_from_itself() -> None:
    noise = (
        RunToRunNoise(side=Side.REFERENCE),
        RunToRunNoise(side=Side.CANDIDATE, differs=True, relative_l2=3e-7, path="fc", call=1),
    )
    [line] = [line for line in str(passing(noise=noise)).splitlines() if "differ" in line]
    assert line == (
        "  noise      two runs of the candidate from one state differ: relative L2 3e-07 in what it returns, "
        "first after fc#1"
    )


def test_what_had_to_be_compared_and_was_not_is_a_reason() -> None:
    missed = norm_row(
        verdict=Verdict.NOT_COMPARED, figures=None, tolerance=None, reasons=(said("random: dropout"),)
    )
    found = FirstDivergence(row=missed, cause=Difference.MISSING, position=1, compared=3)
    report = Report(
        ReportSummary(session="s", passed=False, coverage=FULL, first_divergence=found), [missed, missed]
    )
    assert report.reasons[0].startswith("not compared: output 0 of encoder.norm")
    assert report.reasons[0].endswith("and 1 more: random: dropout")
    assert "not compared" in str(report).splitlines()[0]


def test_tensors_that_are_not_there_say_why(tmp_path: Path) -> None:
    rows = (norm_row(), norm_row(figures=None, verdict=Verdict.UNMATCHED))
    summary = ReportSummary(session="a1", passed=False, coverage=FULL)
    head = RunHead(id="a1", started_at=0.0, reference="r", candidate="c", keep_mib=7)
    with RunWriter(tmp_path / "a1", head) as writer:
        writer.end(FinishedReport(rows=rows, summary=summary))
    report = Report(summary, rows, KeptRun(tmp_path / "a1"))
    for row, said in zip(
        rows, ("keep='none' and keep_mib=7 said which", "no two tensors were compared there")
    ):
        with pytest.raises(NotFoundError, match=said):
            report.tensors(row)
    with pytest.raises(InvalidRequestError, match="row: is of another report"):
        report.tensors(norm_row())
    with pytest.raises(NotFoundError, match="of no kept run"):
        Report(summary, rows).tensors(rows[0])
    with pytest.raises(NotFoundError, match="cannot be judged again"):
        Report(summary, rows).rejudged(rtol=1.0)


def test_the_stack_of_a_model_that_hangs_is_printed_and_obeyed_by_no_terminal() -> None:
    line = SourceLine(file="/nets\x1b[2J.py", line=12, function="forward")
    activity = Activity(still_seconds=900.0, call=LayerCall(path="fc", call=0), stack=(line,))
    lost = Trouble(phase=Phase.FORWARD, text="it hangs", side=Side.CANDIDATE, activity=activity)
    text = str(passing(troubles=(lost,)))
    assert "  stack of the candidate, innermost last:\n    /nets\\x1b[2J.py:12 in forward\n" in text
    assert (
        json.loads(passing(troubles=(lost,)).to_json())["troubles"][0]["activity"]["stack"][0]["line"] == 12
    )

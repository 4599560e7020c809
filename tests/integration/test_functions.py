"""The second look across real processes, over the NumPy fake: it names functions, and changes no verdict."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import Detail, FindingKind, NoteKind

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)

SGD = "fake_models:sgd"


def chain(faults: Any = None, **given: Any) -> Model:
    return model("function_models:Chain", faults=faults or {}, **given)


def compared(service: Service, reference: Model, candidate: Model, *, steps: int = 1, **given: Any) -> Report:
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, Options(**given), steps=steps)


def verdicts(report: Report) -> list[Any]:
    return [(row.step, row.phase, row.kind, row.order, row.verdict, row.counts) for row in report.all_rows]


def said(report: Report) -> list[tuple[FindingKind, str, str]]:
    """Returns each finding's kind, layer and the candidate's line."""
    lines = []
    for found in report.findings:
        source = found.candidate_call.source if found.candidate_call is not None else None
        text = source.text if source is not None else ""
        lines.append((found.kind, found.candidate.path, text))
    return lines


def test_each_fault_is_named_in_its_own_layer_and_no_verdict_changes(service: Service) -> None:
    faults = {"0": "scale", "2": "missing"}
    report = compared(service, chain(), chain(faults))
    (first, second) = said(report)
    assert first[:2] == (FindingKind.FUNCTION, "block0")
    assert first[2].startswith("hidden = hidden * ")
    assert second[:2] == (FindingKind.MISSING, "block2")
    assert report.findings[1].candidate.source is not None
    assert report.findings[1].candidate.source.text == "return hidden"
    alone = compared(service, chain(), chain(faults), detail=Detail.LAYERS)
    assert alone.findings == ()
    assert verdicts(alone) == verdicts(report)


def test_a_healthy_pair_is_not_looked_into(service: Service) -> None:
    report = compared(service, chain(), chain())
    assert report, str(report)
    assert report.findings == ()
    assert "functions" not in str(report)


def test_the_place_is_found_in_lockstep_alone_and_in_a_free_run(service: Service) -> None:
    for options in ({"single_step": True}, {"local_error": False}):
        report = compared(service, chain(), chain({"1": "scale"}), **options)
        assert [one[:2] for one in said(report)] == [(FindingKind.FUNCTION, "block1")], str(report)


def operations(report: Report, layer: str) -> list[str]:
    """Returns what the candidate's layer calls, by a report of one step."""
    (detail,) = report.function_details
    (its,) = [one for one in detail.calls if one.candidate_path == layer]
    return [leaf.call.operation for leaf in its.candidate]


def test_over_a_whole_pass_a_healthy_pair_shows_its_functions_and_their_counterparts(
    service: Service,
) -> None:
    healthy = chain(optimizer=SGD)
    report = compared(service, healthy, healthy, steps=2, detail=Detail.FUNCTIONS)
    assert report, str(report)
    assert report.findings == ()
    (detail,) = report.function_details
    # A product and a sum in each block; the second step does not differ, and is not looked into.
    assert (detail.step, detail.tensors, detail.paired) == (0, 6, 6)
    assert "6 of 6 tensors of the reference have a counterpart by value" in str(report)
    assert operations(report, "block1") == ["Linear", "multiply", "Linear", "add"]
    assert operations(report, "") == ["Own", "Own", "Own"]
    assert all(leaf.counterparts for one in detail.calls for leaf in one.reference)
    told = json.loads(report.to_json())["function_details"][0]["calls"][1]["candidate"][1]
    assert told["call"]["source"]["text"].startswith("hidden = hidden * ")


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"local_error": False}])
def test_over_a_whole_pass_each_fault_is_found_though_rows_judge_freely(
    service: Service, options: dict[str, Any]
) -> None:
    faults = {"0": "scale", "1": "missing", "2": "scale"}
    report = compared(service, chain(), chain(faults), detail=Detail.FUNCTIONS, **options)
    assert [one[:2] for one in said(report)] == [
        (FindingKind.FUNCTION, "block0"),
        (FindingKind.MISSING, "block1"),
        (FindingKind.FUNCTION, "block2"),
    ], str(report)
    (detail,) = report.function_details
    assert (detail.tensors, detail.paired) == (6, 3)
    text = str(report)
    assert "`multiply(other=0.25)` at function_models.py" in text
    assert "<--- *** HERE ***" in text


def test_over_a_whole_pass_a_fault_in_the_roots_own_code_is_found(service: Service) -> None:
    report = compared(
        service,
        model("function_models:Own"),
        model("function_models:Own", fault="scale"),
        detail=Detail.FUNCTIONS,
    )
    assert [one[:2] for one in said(report)] == [(FindingKind.FUNCTION, "")], str(report)


def test_every_step_that_differs_is_looked_into_as_a_whole(service: Service) -> None:
    options = {"detail": Detail.FUNCTIONS, "keep_going": True}
    faulty = chain({"1": "scale"}, optimizer=SGD)
    report = compared(service, chain(optimizer=SGD), faulty, steps=2, **options)
    assert [one.step for one in report.function_details] == [0, 1]
    assert [one.step for one in report.findings] == [0, 1]


def test_what_cannot_be_seen_of_a_whole_pass_is_a_note(service: Service) -> None:
    half = model("function_models:HalfInside")
    report = compared(service, half, half, detail=Detail.FUNCTIONS)
    assert report, str(report)
    assert [one.candidate_path for one in report.function_details[0].calls] == ["", "second"]
    (note,) = [one for one in report.summary.notes if one.kind is NoteKind.FUNCTIONS_IN_PART]
    assert any("some between the layers were not looked into" in text for text in report.notes), note


def straight(fault: str = "", block: str = "1") -> Model:
    return model("function_models:StraightChain", faults={block: fault} if fault else {})


@pytest.mark.parametrize(
    ("fault", "kind", "candidate", "reference"),
    [
        ("scale", FindingKind.FUNCTION, "0.25 if", "0.25 if"),
        ("hook", FindingKind.EXTRA, "register_hook", ""),
        ("extra", FindingKind.EXTRA, "scale_gradient(hidden, 3.0)", ""),
        ("off", FindingKind.FUNCTION, "hidden * self.factor", "hidden * self.factor"),
        ("parameter", FindingKind.EXTRA, "self.factor.detach()", ""),
        ("detach", FindingKind.EXTRA, "self.second(hidden.detach()", ""),
        ("skip", FindingKind.EXTRA, "x.detach()", ""),
    ],
)
def test_a_gradient_that_goes_wrong_between_layers_is_located(
    service: Service, fault: str, kind: FindingKind, candidate: str, reference: str
) -> None:
    report = compared(service, straight(), straight(fault))
    assert not report
    (found,) = report.findings
    assert (found.kind, found.candidate.path) == (kind, "block1")
    calls = found.candidate_call, found.reference_call
    texts = [call.source.text if call is not None and call.source is not None else "" for call in calls]
    assert candidate in texts[0]
    assert reference in texts[1]
    assert verdicts(report) == verdicts(compared(service, straight(), straight(fault), detail=Detail.LAYERS))


def test_healthy_gradients_are_not_looked_into(service: Service) -> None:
    report = compared(service, straight(), straight())
    assert report, str(report)
    assert report.findings == ()


@pytest.mark.parametrize("options", [{"single_step": True}, {"local_error": False}])
def test_a_fault_in_backward_is_found_in_lockstep_alone_and_in_a_free_run(
    service: Service, options: dict[str, Any]
) -> None:
    report = compared(service, straight(), straight("scale"), **options)
    assert [one[:2] for one in said(report)] == [(FindingKind.FUNCTION, "block1")], str(report)


def test_with_the_detail_of_a_whole_pass_backward_is_looked_into_as_well(service: Service) -> None:
    report = compared(service, straight(), straight("detach"), detail=Detail.FUNCTIONS)
    assert [one[:2] for one in said(report)] == [(FindingKind.EXTRA, "block1")], str(report)
    assert len(report.function_details) == 1

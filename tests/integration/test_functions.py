"""The second look across real processes, over the NumPy fake: it names functions, and changes no verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import Detail, FindingKind, NoteKind, Randomness

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


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


def test_a_note_says_why_nothing_could_be_looked_into(service: Service) -> None:
    half = compared(
        service,
        model("function_models:Half"),
        model("function_models:Half", fault="missing"),
    )
    drawn = compared(
        service,
        chain(random=True, train=True),
        chain({"1": "scale"}, random=True, train=True),
        randomness=Randomness.REPORT,
    )
    for report in (half, drawn):
        assert not report
        assert report.findings == ()
        (note,) = [one for one in report.summary.notes if one.kind is NoteKind.NO_FUNCTIONS]
        assert any("were not looked into" in text for text in report.notes), note

"""`include` and `exclude`: calls that nobody wants to see are not captured, and everything else is judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_client.tensor_leaves import Input
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, NoteKind, Phase, Verdict

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
BATCHES = Batches(({"x": Input(X, requires_grad=True)},) * 2)
WEIGHTS = {CaptureKind.PARAMETER, CaptureKind.PARAMETER_GRADIENT}


def compare(service: Service, *, wrong: int = -1, train: bool = False, **given: Any) -> Report:
    reference, candidate = (model("selection_models:Net", wrong=one, train=train) for one in (-1, wrong))
    return compare_on(service, reference, candidate, BATCHES, Options(**given), steps=1)


def shown(report: Report) -> set[str]:
    """Returns the layers whose calls a report has rows of."""
    return {
        row.reference.path
        for row in report.all_rows
        if row.reference is not None and row.kind not in WEIGHTS and row.phase is not Phase.INITIAL_WEIGHTS
    }


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"include": ("blocks.1",)}, {"", *(f"blocks.1{end}" for end in ("", ".first", ".act", ".last"))}),
        ({"include": ("blocks.*.first", "head")}, {"", "head", *(f"blocks.{i}.first" for i in range(3))}),
        ({"include": ("**.act",)}, {"", *(f"blocks.{i}.act" for i in range(3))}),
        ({"exclude": ("blocks",)}, {"", "head"}),
        (
            {"include": ("blocks.2",), "exclude": ("blocks.*.act", "**.last")},
            {"", "blocks.2", "blocks.2.first"},
        ),
    ],
)
def test_calls_that_are_left_out_have_no_rows_and_all_else_has(
    service: Service, given: dict[str, Any], paths: set[str]
) -> None:
    everything, report = compare(service), compare(service, **given)
    assert report, str(report)
    assert shown(report) == paths
    assert len(shown(everything)) == 15
    (note,) = (one for one in report.summary.notes if one.kind is NoteKind.LEFT_OUT)
    assert note.numbers == (15 - len(paths), 15 - len(paths))
    assert f"left out {15 - len(paths)} layers" in str(report)
    for name in ("parameters_compared", "root_outputs_compared", "losses_compared"):
        assert getattr(report.coverage, name) == getattr(everything.coverage, name) > 0
    of_weights = [
        sum(row.kind in WEIGHTS and row.verdict is Verdict.MATCH for row in one.rows)
        for one in (everything, report)
    ]
    assert of_weights[0] == of_weights[1]
    sent = [sum(one.bytes for one in each.summary.traffic) for each in (everything, report)]
    assert sent[1] < sent[0]


def test_a_fault_in_what_is_compared_is_found_where_it_is(service: Service) -> None:
    first, of_all = (
        compare(service, wrong=1, **given).first_divergence for given in ({"include": ("blocks.1",)}, {})
    )
    assert first is not None
    assert of_all is not None
    assert (first.candidate, first.kind) == (of_all.candidate, of_all.kind)


def test_a_fault_in_what_is_left_out_shows_in_the_layer_around(service: Service) -> None:
    report = compare(service, wrong=1, exclude=("blocks.1",))
    first = report.first_divergence
    assert not report
    assert first is not None
    assert first.candidate is not None
    assert first.candidate.path == "blocks"


@pytest.mark.parametrize("given", [{"local_error": False}, {"trace": "first_step"}, {"floor": "measured"}])
def test_it_holds_in_every_kind_of_pass(service: Service, given: dict[str, Any]) -> None:
    assert shown(compare(service, include=("blocks.0", "head"), **given)) == {
        "",
        "head",
        *(f"blocks.0{end}" for end in ("", ".first", ".act", ".last")),
    }


def test_a_path_of_no_layer_is_refused_with_the_nearest(service: Service) -> None:
    with pytest.raises(InvalidRequestError, match=r"include: 'blocks\.1\.frist' fits no layer; nearest: bl"):
        compare(service, include=("blocks.1.frist",))
    with pytest.raises(InvalidRequestError, match=r"options\.exclude: '' fits no layer"):
        compare(service, exclude=("",))


def test_a_path_alone_is_no_list_of_paths() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"options\.include: 'head' is not allowed; allowed: a list"
    ):
        Options(include="head")  # type: ignore[arg-type]

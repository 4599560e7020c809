"""Where functions between the layers cannot be seen, or not known again: a note says why."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from proxy import RESPONSE, Said, proxy

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import CaptureKind, NoteKind

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
UNSEEN = "functions: those between the layers were not looked into: "


def chain(fault: str = "", **given: Any) -> Model:
    return model("function_models:Chain", faults={"1": fault} if fault else {}, **given)


def compared(service: Service, reference: Model, candidate: Model, value: Any = X, **given: Any) -> Report:
    batches = Batches(({"x": value}, {"x": value}))
    return compare_on(service, reference, candidate, batches, Options(**given), steps=1)


def why(report: Report) -> str:
    """Returns why a report that fails has no findings."""
    assert not report
    assert report.findings == ()
    (note,) = [one for one in report.summary.notes if one.kind is NoteKind.NO_FUNCTIONS]
    (text,) = [text for text in report.notes if text.startswith(UNSEEN)]
    assert note.reasons
    return text.removeprefix(UNSEEN)


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize(("name", "path"), [("whole", "the whole model"), ("Model", "inner")])
def test_code_that_was_compiled_runs_unseen(service: Service, name: str, path: str, side: str) -> None:
    given: dict[str, Any] = {one: {"compiled": one == side} for one in ("reference", "candidate")}
    models = [
        model(f"compiled_models:{name}", **given["reference"]),
        model(f"compiled_models:{name}", **given["candidate"], factor=1.5),
    ]
    report = compared(service, *models, value=X[:, :4])
    assert f"{path} is compiled on the {side}, and runs unseen" in why(report)


def test_a_train_step_of_the_users_own_runs_no_second_time(service: Service) -> None:
    models = [
        chain(fault, train_step="backward_models:step", optimizer="backward_models:sgd")
        for fault in ("", "scale")
    ]
    assert "a train step" in why(compared(service, *models))


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_a_worker_of_an_older_version_records_none(service: Service, side: str) -> None:
    def change(said: Said) -> bytes:
        """Takes the capability out of what a worker says of itself."""
        if not (said.method.endswith("/GetInfo") and said.direction == RESPONSE):
            return said.content
        told = worker_pb2.GetInfoResponse.FromString(said.content)
        told.worker.capabilities.remove("function_traces")
        return bytes(told.SerializeToString())

    with proxy(getattr(service, side), change) as older:
        old = Service(**{**vars(service), side: older})
        text = why(compared(old, chain(), chain("scale")))
    assert f"the {side}'s worker, of an older version, does not record them" in text


def test_sixteen_bits_say_too_little(service: Service) -> None:
    half = "function_models:Half"
    report = compared(service, model(half), model(half, fault="missing"))
    assert "float16 has too few bits for tensors to be matched by their values" in why(report)


def test_decisions_of_chance_that_are_not_shared_make_all_unlike(service: Service) -> None:
    models = [chain(fault, random=True, train=True) for fault in ("", "scale")]
    report = compared(service, *models, randomness="report")
    assert "the sides make different random decisions" in why(report)


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"local_error": False}])
def test_without_functions_the_place_is_told_with_the_lines_around_it(
    service: Service, options: dict[str, Any]
) -> None:
    report = compared(service, chain(), chain("scale"), detail="layers", **options)
    first = report.first_divergence
    assert first is not None
    assert report.findings == ()
    assert re.search(r"made by (the code of )?block1\b", first.summary)
    assert "between block1.first and block1.second" in first.summary
    for place in (first.reference, first.candidate):
        assert place is not None
        assert place.source is not None
        assert place.behind is not None
        assert place.behind.text.strip() == "hidden = self.first(x)"
        assert place.source.text.strip() == "hidden = self.second(hidden)"
    assert "function_models.py" in first.details
    assert "hidden = self.first(x)" in first.details


def test_in_a_free_run_the_row_stays_at_the_call_that_shows_it(service: Service) -> None:
    report = compared(service, chain(), chain("scale"), local_error=False)
    failed = [row for row in report.faults if row.kind is CaptureKind.INPUT]
    told = {row.candidate.path: row.between.partition(",")[0] for row in failed if row.candidate}
    # What a call returned, or another took before, was not made between.
    assert told == {
        "block1.second": "made by block1",
        "block2": "",
        "block2.first": "",
        "block2.second": "made by block2",
    }

"""What a Torch and a Paddle model keep in plain attributes is put back behind each pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import NoteKind, Pass

X = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)


def compare(service: Any, *, kwargs: Any = None, **options: Any) -> Report:
    given = Batch(args=(X,))
    return auto_diff(
        ModelSpec("paddle", "paddle_keeping:keeping", kwargs=kwargs or {}, worker=service.paddle, train=True),
        ModelSpec("torch", "torch_keeping:keeping", worker=service.torch, train=True),
        (given, given),
        server=service.server,
        steps=3,
        optimizer=("paddle_keeping:adam", "torch_keeping:adam"),
        options=Options(local_error=True, floor="measured", **options),
    )


def test_models_that_go_on_alike_pass_in_every_pass_of_three_steps(service: Any) -> None:
    report = compare(service)
    assert report, str(report)
    assert sum(note.kind is NoteKind.GOLD for note in report.summary.notes) == 3


def test_a_candidate_that_counts_twice_as_fast_fails_where_its_warm_up_ends(service: Any) -> None:
    report = compare(service, kwargs={"by": 2}, keep_going=True)
    assert [step.passed for step in report.steps] == [True, False, True]
    assert [noise.differs for noise in report.noise] == [False, False]
    first = report.first_divergence
    assert first is not None
    assert (first.row.step, first.row.pass_kind) == (1, Pass.LOCKSTEP)
    assert first.row.between == "between first#0 and second#0"

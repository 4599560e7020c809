"""Hints: of ports with one mistake in each layer every mistake is named, in every report."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.records import Hint, Row
from padiff_rpc.v1.words import CaptureKind, HintKind, Phase, Side

X = np.random.default_rng(0).standard_normal((4, 6, 16), dtype=np.float32)


def compare(service: Any, name: str, **options: Any) -> Report:
    layer, module = (
        ModelSpec(side, f"{side}_hints:{name}", worker=getattr(service, side)) for side in ("paddle", "torch")
    )
    batches = [Batch(args=(X,))]
    return auto_diff(
        layer=layer, module=module, example_inp=(batches, batches), server=service.server, **options
    )


def row_of(report: Report, path: str, kind: CaptureKind, phase: Phase) -> Row:
    [found] = [
        row
        for row in report.rows
        if row.phase is phase and row.kind is kind and row.reference and row.reference.path == path
    ]
    return found


def hint_of(report: Report, path: str) -> Hint:
    row = row_of(report, path, CaptureKind.OUTPUT, Phase.FORWARD)
    assert row.hints, row
    return row.hints[0]


@pytest.fixture(scope="module")
def report(service: Any) -> Report:
    return compare(service, "Many", options={"single_step": True, "keep_going": True})


class TestEachMistakeOfALockstep:
    def test_epsilon(self, report: Report) -> None:
        hint = hint_of(report, "norm")
        assert (hint.kind, hint.numbers, hint.verified) == (HintKind.EPSILON, (1e-5, 1e-4), True)

    def test_gelu(self, report: Report) -> None:
        hint = hint_of(report, "gelu")
        assert (hint.kind, hint.side, hint.verified) == (HintKind.GELU, Side.CANDIDATE, True)

    def test_scale(self, report: Report) -> None:
        hint = hint_of(report, "scale")
        assert (hint.kind, hint.verified) == (HintKind.SCALED, True)
        assert hint.numbers[0] == pytest.approx(0.25, rel=1e-6)

    def test_sign(self, report: Report) -> None:
        assert hint_of(report, "sign").kind is HintKind.SIGN

    def test_missing_bias(self, report: Report) -> None:
        hint = hint_of(report, "affine")
        assert (hint.kind, hint.side, hint.verified) == (HintKind.MISSING_BIAS, Side.CANDIDATE, True)

    def test_rounded(self, report: Report) -> None:
        hint = hint_of(report, "last")
        assert (hint.kind, hint.names, hint.verified) == (HintKind.ROUNDED, ("float16",), True)

    def test_transposed_weight(self, report: Report) -> None:
        hint = hint_of(report, "turned")
        assert (hint.kind, hint.names) == (HintKind.TRANSPOSED, ("turned.weight",))
        assert hint.verified

    def test_what_agrees_has_none(self, report: Report) -> None:
        assert not row_of(report, "fc", CaptureKind.OUTPUT, Phase.FORWARD).hints

    def test_text(self, report: Report) -> None:
        assert "probably   the norm's epsilon: 1e-05 in the reference, 0.0001 in the candidate" in str(report)
        assert "; probably: the candidate does not add the bias" in str(report)

    def test_json_and_html(self, report: Report) -> None:
        told = json.loads(report.to_json())
        assert told["first_divergence"]["row"]["hints"][0]["kind"] == "epsilon"
        mores = [line[-1] for line in told["rows"]["lines"] if isinstance(line[-1], dict)]
        texts = [more["hints"][0]["text"] for more in mores if "hints" in more]
        assert any(text.startswith("the sign is the opposite (checked") for text in texts)
        assert "the candidate does not add the bias" in report.to_html()


def test_weights_of_the_models_own_are_told_apart(service: Any) -> None:
    report = compare(service, "Square", auto_weights=False)
    one, two = (
        row_of(report, path, CaptureKind.PARAMETER, Phase.INITIAL_WEIGHTS).hints[0] for path in ("one", "two")
    )
    assert (one.kind, one.verified) == (HintKind.TRANSPOSED, True)
    assert (two.kind, two.names) == (HintKind.SWAPPED, ("one.weight",))

"""Which side is off from the reference's float64 run, in real frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import Side

X = np.random.default_rng(0).standard_normal((8, 16), dtype=np.float32)


def compare(service: Any, reference: dict[str, Any], candidate: dict[str, Any]) -> Report:
    layer = ModelSpec("paddle", "paddle_oracle:Network", kwargs=candidate, worker=service.paddle)
    module = ModelSpec("torch", "torch_oracle:Network", kwargs=reference, worker=service.torch)
    batches = (Batch(args=(X,)),) * 2
    return auto_diff(layer, module, batches, server=service.server, options={"oracle": True})


def off(report: Report) -> set[tuple[str, Side]]:
    return {
        (row.reference.path, row.from_gold.off)
        for row in report.rows
        if row.reference is not None and row.from_gold is not None and row.from_gold.off is not None
    }


def test_healthy_sides_are_equally_far(service: Any) -> None:
    report = compare(service, {}, {})
    assert report, str(report)
    assert off(report) == set(), str(report)
    assert sum(row.from_gold is not None for row in report.rows) > 15


@pytest.mark.parametrize(
    ("reference", "candidate", "side"),
    [({}, {"eps": 1e-3}, Side.CANDIDATE), ({"is_lossy": True}, {}, Side.REFERENCE)],
    ids=["a wrong epsilon", "a lossy reference"],
)
def test_the_side_that_computes_otherwise_is_off(
    service: Any, reference: dict[str, Any], candidate: dict[str, Any], side: Side
) -> None:
    report = compare(service, reference, candidate)
    assert ("norm", side) in off(report), str(report)
    assert {one for _, one in off(report)} == {side}, str(report)
    assert f"the {side} is off" in str(report)

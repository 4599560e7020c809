"""Halves that round so much that nothing can be told, in a real framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, Input, ModelSpec, Report, auto_diff

X = np.random.default_rng(0).standard_normal((64, 16), dtype=np.float32)


def compare(service: Any, other: str, dtype: str, **candidate: Any) -> Report:
    layer, module = (
        ModelSpec("torch", "torch_halves:Near", kwargs=kwargs, worker=worker, dtype=dtype)
        for kwargs, worker in ((candidate, other), ({}, service.torch))
    )
    batches = (Batch(args=(Input(X, dtype=dtype),)),) * 2
    return auto_diff(layer, module, batches, server=service.server, options={"diff_phase": "forward"})


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_only_halves_are_inconclusive_and_a_fault_beyond_their_rounding_fails(
    service: Any, others: dict[str, str], dtype: str
) -> None:
    report = compare(service, others["torch"], dtype, is_factored=True)
    first = str(report).splitlines()[0]
    if dtype == "float32":
        assert report, first
    else:
        assert first.startswith("INCONCLUSIVE: 1 place cannot be judged: rounding alone reaches "), first
        assert report.inconclusive is not None
        assert 0.02 < report.inconclusive.rounding < 0.5
    faulty = compare(service, others["torch"], dtype, is_factored=True, fault=5.0)
    assert faulty.first_divergence is not None, str(faulty)
    assert faulty.first_divergence.path == "centre"

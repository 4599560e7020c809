"""One bias of queries, keys and values: noise drives the keys' part of it, and nothing else is excused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.words import Phase, Verdict


def compare(service: Any, optimizer: str, steps: int = 3, swapped: bool = False) -> Report:
    x = np.random.default_rng(0).standard_normal((2, 6, 16)).astype(np.float32)
    optimizers = {"paddle": optimizer, "torch": "adamw"}
    sides = ("torch", "paddle") if swapped else ("paddle", "torch")
    layer, module = (ModelSpec(side, f"{side}_packed:model", worker=getattr(service, side)) for side in sides)
    return auto_diff(
        layer=layer,
        module=module,
        example_inp=(Batch(args=(x,)), Batch(args=(x,))),
        steps=steps,
        optimizer=tuple(f"{side}_packed:{optimizers[side]}" for side in sides),
        server=service.server,
    )


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_keys_that_noise_moved_fail_nothing_over_three_steps(service: Any, swapped: bool) -> None:
    report = compare(service, "adamw", swapped=swapped)
    assert report, str(report)
    assert [step.passed for step in report.steps] == [True] * 3
    # Its optimizer steps with the reference's gradients, in which the keys' noise is the same.
    assert not any("elements left out" in reason(row) for row in report.rows)


@pytest.mark.parametrize("optimizer", ["shifting_keys", "shifting_queries", "decaying"])
def test_what_no_noise_has_moved_fails(service: Any, optimizer: str) -> None:
    report = compare(service, optimizer)
    found = report.first_divergence
    assert found is not None
    assert (found.step, found.phase) == (0, Phase.WEIGHTS)
    assert found.reference is not None
    if optimizer != "decaying":
        assert (found.reference.path, found.reference.slot) == ("first.attn.c_attn", "bias")
        assert found.figures is not None
        assert found.figures.worst[0].index[0] // 16 == (optimizer == "shifting_keys")
    assert all(row.verdict is not Verdict.NOT_COMPARED for row in report.rows)

"""One bias of queries, keys and values: noise drives the keys' part of it, and nothing else is excused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict


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
    excused = [row for row in report.rows if "elements left out" in reason(row)]
    assert {(row.kind, row.reference.slot) for row in excused if row.reference} == {
        (CaptureKind.PARAMETER, "bias")
    }
    assert {row.step for row in excused} == {0, 1, 2}
    # By luck an element may be equal.
    assert {reason(row).partition(" elements")[0] for row in excused} <= {f"{n} of 48" for n in (14, 15, 16)}


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

"""Branches in another order of code pair by what they hold, and a fault shows in its branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, LayerMap, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import Pass, Phase, Verdict

X = np.random.default_rng(0).standard_normal((2, 3, 12, 12), dtype=np.float32)

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(
        fault: str = "", *, train: bool = False, layer_map: Optional[LayerMap] = None, **options: Any
    ) -> Report:
        layer = ModelSpec(
            "paddle", "paddle_mixed:Net", kwargs={"fault": fault}, worker=service.paddle, train=train
        )
        module = ModelSpec("torch", "torch_mixed:Net", worker=service.torch, train=train)
        batches = (Batch(args=(X,)),)
        return auto_diff(
            layer,
            module,
            (batches, batches),
            server=service.server,
            layer_map=layer_map or LayerMap(),
            options=Options(**options),
        )

    return run


@pytest.mark.parametrize(
    "settings", [{}, {"train": True}, {"train": True, "single_step": True}], ids=["eval", "train", "lockstep"]
)
def test_branches_that_run_in_another_order_pair_by_name_and_pass(
    compare: Compare, settings: dict[str, Any]
) -> None:
    report = compare(**settings)
    assert report, str(report)
    assert str(report).startswith("PASS: the models agree\n"), str(report)
    paired = {
        pair.reference.path: pair.candidate.path for pair in report.plan if pair.reference and pair.candidate
    }
    assert len(paired) > 40
    assert all(reference == candidate for reference, candidate in paired.items()), paired
    assert all(pair.confidence >= 0.5 for pair in report.plan if pair.reference and pair.candidate)


def test_a_fault_in_one_branch_shows_there(compare: Compare) -> None:
    report = compare("branch")
    first = report.first_divergence
    assert first is not None
    assert (first.phase, first.path) == (Phase.FORWARD, "mixed_b"), str(report)
    assert first.row.between == "between mixed_b.branch7x7_1#0 and mixed_b.branch7x7_2#0"


@pytest.mark.parametrize("is_turned", [True, False], ids=["next weight turned", "next weight as it was"])
def test_branches_put_together_in_another_order_show_where_that_is_done(
    compare: Compare, is_turned: bool
) -> None:
    """The next layer takes other channels than the reference's, whether its weight makes up for it or not."""
    layer_map = LayerMap().special_init(("last", "last"), "paddle_mixed:turned") if is_turned else None
    report = compare("concat", layer_map=layer_map)
    first = report.first_divergence
    assert first is not None
    assert (first.phase, first.path) == (Phase.FORWARD, "mixed_b"), str(report)
    (whole,) = [row for row in report.all_rows if row.phase is Phase.LOSS and row.pass_kind is Pass.FREE]
    assert (whole.verdict is not Verdict.MISMATCH) is is_turned

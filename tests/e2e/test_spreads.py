"""One side holds a tensor once that the other repeats: a healthy port passes, a faulty one fails where it is.

The models are `models/torch_spreads.py` and `models/paddle_spreads.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Cause, Phase, Verdict

Compare = Callable[..., Report]
INPUTS = {
    # Batches of two sizes.
    "Positions": [np.random.default_rng(0).integers(0, 9, (rows, 5)) for rows in (3, 2)],
    "Masked": [np.random.default_rng(0).standard_normal((rows, 3, 4), dtype=np.float32) for rows in (2, 4)],
}
FORMS = [("Positions", "once"), ("Positions", "flat"), ("Masked", "once")]


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares Paddle's model, with a fault, with Torch's; `swapped` makes Paddle the reference."""

    def run(
        name: str, torch: str, paddle: str, fault: str = "", swapped: bool = False, **options: Any
    ) -> Report:
        paddles, torches = (
            ModelSpec(
                framework,
                f"{framework}_spreads:{name}",
                kwargs=kwargs,
                worker=getattr(service, framework),
                train=True,
            )
            for framework, kwargs in (
                ("paddle", {"form": paddle, "fault": fault}),
                ("torch", {"form": torch}),
            )
        )
        layer, module = (torches, paddles) if swapped else (paddles, torches)
        batches = [Batch(args=(value,)) for value in INPUTS[name]]
        return auto_diff(
            layer=layer,
            module=module,
            example_inp=(batches, batches),
            steps=len(batches),
            server=service.server,
            options=options,
            optimizer=(f"{layer.framework}_spreads:sgd", f"{module.framework}_spreads:sgd"),
        )

    return run


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_healthy_port_passes(compare: Compare, name: str, form: str) -> None:
    for report in (
        compare(name, form, "repeated"),
        compare(name, form, "repeated", swapped=True, local_error=True),
        compare(name, "repeated", form, local_error=True),
    ):
        assert report, str(report)
        assert "repeated along ax" in str(report)
        assert report.coverage.tensors_compared == report.coverage.tensors_total
        shown = {row.kind for row in report.rows for one in row.reasons if one.cause is Cause.REPEATED}
        assert shown & {CaptureKind.OUTPUT_GRADIENT, CaptureKind.INPUT_GRADIENT}, "gradients are, too"


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_row_of_its_own_fails_where_it_is(compare: Compare, name: str, form: str) -> None:
    found = compare(name, form, "repeated", "row").first_divergence
    assert found is not None
    assert (found.phase, found.verdict, found.path) == (Phase.FORWARD, Verdict.SHAPE_MISMATCH, "")
    assert {"Positions": "table", "Masked": "attend"}[name] in found.row.between


@pytest.mark.parametrize(
    ("name", "torch", "paddle"),
    [("Positions", "once", "repeated"), ("Positions", "repeated", "flat"), ("Masked", "once", "repeated")],
)
def test_a_gradient_that_is_no_sum_fails(compare: Compare, name: str, torch: str, paddle: str) -> None:
    found = compare(name, torch, paddle, fault="gradient").first_divergence
    assert found is not None
    assert (found.phase, found.path) == (Phase.BACKWARD, "")
    assert {"Positions": "table", "Masked": "bias"}[name] in found.row.between

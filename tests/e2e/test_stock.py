"""Models as they are found, with no layer map: SqueezeNet, and an encoder as DETR has it, steps first.

DenseNet-121 is in `test_dense.py`, sequences of several lengths in `test_sequences.py`, experts in one tensor
in `test_experts.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff

Compare = Callable[..., Report]
rng = np.random.default_rng(0)
# Of this size the last windows of the pools are whole, which the frameworks' models round otherwise.
PICTURES = Batch(args=(rng.standard_normal((1, 3, 67, 67), dtype=np.float32),))
MASK = np.zeros((2, 12, 16), np.bool_)
MASK[1, :, 8:] = True
SCENES = Batch(args=(rng.standard_normal((2, 3, 12, 16), dtype=np.float32), MASK))
SWITCHED_OFF: dict[str, Any] = {"randomness": "off"}


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(
        torch: str,
        paddle: str,
        given: Batch,
        *,
        version: str = "",
        fault: str = "",
        swapped: bool = False,
        train: bool = False,
        **options: Any,
    ) -> Report:
        kwargs: dict[str, Any] = {"version": version} if version else {}
        ours = ModelSpec("torch", f"torch_stock:{torch}", kwargs=kwargs, worker=service.torch, train=train)
        kwargs = {**kwargs, "fault": fault}
        theirs = ModelSpec(
            "paddle", f"paddle_stock:{paddle}", kwargs=kwargs, worker=service.paddle, train=train
        )
        layer, module = (ours, theirs) if swapped else (theirs, ours)
        return auto_diff(
            layer=layer,
            module=module,
            example_inp=(given, given),
            server=service.server,
            options=Options(**options),
        )

    return run


def place(report: Report) -> str:
    """Returns where the first divergence is, by the reference's layers."""
    assert report.exit_code == 1, str(report)
    row = report.first_divergence.row
    return f"{row.reference.path} {row.between}".strip()


class TestSqueezeNet:
    """In train mode, since Paddle's dropout scales in inference, which is no fault of a port."""

    @pytest.fixture
    def compared(self, compare: Compare) -> Compare:
        def run(given: Batch = PICTURES, **rest: Any) -> Report:
            return compare("SqueezeNet", "squeezenet", given, train=True, **SWITCHED_OFF, **rest)

        return run

    def test_as_torchvision_has_it_agrees_with_paddles_own(self, compared: Compare) -> None:
        report = compared()
        assert report, str(report)
        assert report.coverage.parameters_compared == report.coverage.parameters_total == 52

    def test_halves_that_are_joined_the_wrong_way_are_found(self, compared: Compare) -> None:
        assert "features.8" in place(compared(fault="order")) or "features.7" in place(
            compared(fault="order")
        )

    def test_the_younger_versions_differ_in_their_first_padding(self, compared: Compare) -> None:
        report = compared(version="1_1")
        assert place(report) == "features.0"
        assert "padding is 0 in the reference, 1 in the candidate" in str(report)


class TestEncodersWhoseStepsComeFirst:
    @pytest.mark.parametrize("swapped", [False, True], ids=["paddle", "torch"])
    def test_agree_with_ports_whose_batch_comes_first(self, compare: Compare, swapped: bool) -> None:
        options = {} if swapped else {"train": True, **SWITCHED_OFF}
        report = compare("Detr", "Detr", SCENES, swapped=swapped, **options)
        assert report, str(report)
        assert report.coverage.calls_compared == report.coverage.calls_total
        assert report.coverage.parameters_compared == report.coverage.parameters_total
        assert any("axes 0 and 1 exchanged" in note for note in report.notes)

    @pytest.mark.parametrize(
        ("fault", "found"),
        [
            ("keys", "layers.1 before layers.1.self_attn#0"),
            ("mask", "layers.0.self_attn"),
            ("norm", "layers.1 between layers.1.linear2#0 and layers.1.norm2#0"),
        ],
    )
    def test_differ_in_values_where_a_port_is_wrong(self, compare: Compare, fault: str, found: str) -> None:
        report = compare("Detr", "Detr", SCENES, fault=fault)
        assert place(report) == found
        assert "the values differ" in str(report).splitlines()[0], str(report)

"""Small gradients are compared, and what cancels is held against what it is made of: nothing hides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

GRADIENTS = {CaptureKind.INPUT_GRADIENT, CaptureKind.OUTPUT_GRADIENT, CaptureKind.PARAMETER_GRADIENT}

Compare = Callable[..., Report]


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(
        name: str,
        x: np.ndarray,
        *,
        candidate: str = "",
        torch: Optional[dict[str, Any]] = None,
        paddle: Optional[dict[str, Any]] = None,
        steps: int = 1,
        train: bool = False,
        **options: Any,
    ) -> Report:
        layer, module = (
            ModelSpec(
                framework, f"{framework}_rounding:{model}", kwargs=given or {}, worker=worker, train=train
            )
            for framework, model, given, worker in (
                ("paddle", candidate or name, paddle, service.paddle),
                ("torch", name, torch, service.torch),
            )
        )
        batches = (Batch(args=(x,)),) * steps
        optimizer = ("paddle_rounding:adam", "torch_rounding:adam") if steps > 1 else None
        return auto_diff(
            layer,
            module,
            (batches, batches),
            server=service.server,
            options=Options(**options),
            optimizer=optimizer,
        )

    return run


class TestSmallGradients:
    """Those of a network whose activations shrink, with the weights that its layers draw."""

    IMAGES = values(4, 3, 64, 64)

    def test_are_all_compared(self, compare: Compare) -> None:
        report = compare("MobileNetV3", self.IMAGES, candidate="mobilenet_v3")
        assert str(report).startswith("PASS: the models agree\n"), str(report)
        assert report.coverage.tensors_compared == report.coverage.tensors_total > 700
        assert report.omitted == ()

    @pytest.mark.parametrize(
        ("tripled", "path"),
        [
            ("blocks.5.bottleneck_conv.2", "blocks.5.mid_se.avgpool"),
            ("blocks.0.mid_se.avgpool", "blocks.0.mid_se.fc1"),
            ("blocks.8.linear_conv.1", "blocks.9.expand_conv.0"),
        ],
    )
    def test_that_are_three_times_too_large_fail_where_they_are(
        self, compare: Compare, tripled: str, path: str
    ) -> None:
        report = compare("MobileNetV3", self.IMAGES, candidate="mobilenet_v3", paddle={"tripled": tripled})
        first = report.first_divergence
        assert first is not None
        assert first.candidate is not None
        assert (first.phase, first.candidate.path) == (Phase.BACKWARD, path), str(report)


class TestMeansOfCentredValues:
    X = values(2, 3, 16, 16)

    @pytest.mark.parametrize("by", ["pool", "function"])
    @pytest.mark.parametrize("bias", [True, False])
    def test_agree(self, compare: Compare, by: str, bias: bool) -> None:
        settings = {"by": by, "bias": bias}
        report = compare("Centred", self.X, torch=settings, paddle=settings)
        assert report, str(report)
        outputs = [row for row in report.rows if row.phase is Phase.FORWARD]
        assert all(row.verdict in (Verdict.MATCH, Verdict.WITHIN_TOLERANCE) for row in outputs)
        for options in ({"single_step": True}, {"local_error": False}):
            again = compare("Centred", self.X, torch=settings, paddle=settings, **options)
            assert again, str(again)

    @pytest.mark.parametrize(
        ("by", "fault"),
        [
            ("function", "one row"),
            ("function", "shifted"),
            ("pool", "shifted"),
            ("function", "behind"),
            ("pool", "behind"),
        ],
    )
    def test_fail_where_they_are_made_of_other_values(self, compare: Compare, by: str, fault: str) -> None:
        settings = {"by": by, "bias": False}
        report = compare("Centred", self.X, torch=settings, paddle={**settings, "fault": fault})
        assert report.first_divergence is not None
        assert report.first_divergence.phase is Phase.FORWARD
        assert report.first_divergence.verdict is Verdict.MISMATCH


class TestVanishingGradients:
    X = values(4, 16)

    @pytest.mark.parametrize("options", [{}, {"local_error": False}], ids=["in lockstep", "free"])
    def test_are_compared(self, compare: Compare, options: dict[str, Any]) -> None:
        report = compare("Vanishing", self.X, loss="mean", steps=2, **options)
        assert str(report).startswith("PASS: "), str(report)

    def test_excuse_no_gradient_that_flows_around_them(self, compare: Compare) -> None:
        report = compare("Vanishing", self.X, paddle={"fault": "around"}, loss="mean")
        first = report.first_divergence
        assert first is not None
        assert first.phase is Phase.BACKWARD


class TestComplexWeights:
    X = values(4, 8)

    def test_agree_with_their_two_parts_in_a_last_axis(self, compare: Compare) -> None:
        report = compare("Spectrum", self.X, steps=3)
        assert report, str(report)
        rows = [row for row in report.rows if row.candidate and row.candidate.slot.startswith("filter")]
        assert {row.kind for row in rows} == {
            CaptureKind.PARAMETER,
            CaptureKind.PARAMETER_GRADIENT,
            CaptureKind.OPTIMIZER_STATE,
        }
        assert {str(row.rule) for row in rows} == {"as real"}
        assert report.omitted == ()

    @pytest.mark.parametrize("form", ["real", "two"])
    def test_say_of_real_ones_that_the_imaginary_part_has_no_place(self, compare: Compare, form: str) -> None:
        report = compare("Spectrum", self.X, paddle={"form": form})
        assert not report
        text = str(report)
        assert "imaginary part has no place" in text
        assert "view_as_real" in text
        assert "max abs 0," not in text


def test_a_pass_without_omissions_says_so_plainly(compare: Compare) -> None:
    report = compare("Vanishing", values(4, 16))
    assert str(report).startswith("PASS: the models agree\n"), str(report)
    assert report.omitted == ()

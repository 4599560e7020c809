"""Healthy and faulty pairs whose frameworks have ways of their own: `models/*_quirks.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.words import CaptureKind, Phase

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal((2, 4), dtype=np.float32)
IDS = np.arange(12).reshape(3, 4) % 9


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_quirks:name` with `torch_quirks:name`; `swapped` makes Paddle the reference."""

    def run(
        name: str,
        *inputs: np.ndarray,
        torch: Optional[dict[str, Any]] = None,
        paddle: Optional[dict[str, Any]] = None,
        swapped: bool = False,
        train: bool = False,
        **rest: Any,
    ) -> Report:
        given: dict[str, dict[str, Any]] = {"torch": torch or {}, "paddle": paddle or {}}
        layer, module = (
            ModelSpec(
                side, f"{side}_quirks:{name}", kwargs=given[side], worker=getattr(service, side), train=train
            )
            for side in (("torch", "paddle") if swapped else ("paddle", "torch"))
        )
        batches = [Batch(args=inputs)] * rest.get("steps", 1)
        if "optimizer" in rest:
            rest["optimizer"] = tuple(f"{spec.framework}_quirks:sgd" for spec in (layer, module))
        return auto_diff(
            layer=layer, module=module, example_inp=(batches, batches), server=service.server, **rest
        )

    return run


def test_what_frameworks_say_of_a_wrong_dtype_is_told_with_the_dtypes(compare: Compare) -> None:
    report = compare("Recurrent", IDS.astype(np.float32))
    said = {str(failure.side): failure.text for failure in report.failures}
    assert set(said) == {"reference", "candidate"}
    for text in said.values():
        assert text.endswith("; example_inp[0][0].args[0].dtype is float32; the weights are float32")
    assert "only support int32 and int64, but get float32;" in said["candidate"]
    assert "(at /" not in said["candidate"]


class TestRecurrentLayersInEvalMode:
    """Paddle's LSTM, GRU and SimpleRNN have no backward in eval mode."""

    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
    @pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
    def test_forward_and_loss_are_judged(self, compare: Compare, kind: str, swapped: bool) -> None:
        both = {"torch": {"kind": kind}, "paddle": {"kind": kind}}
        report = compare("Recurrent", IDS, **both, swapped=swapped, steps=2, optimizer=True)
        assert report, str(report)
        name = {"RNN": "SimpleRNN"}.get(kind, kind)
        assert f"paddle's {name} (rnn) has no backward in eval mode; train: true" in str(report)
        assert {row.phase for row in report.rows} >= {Phase.FORWARD, Phase.LOSS}
        assert not {Phase.BACKWARD, Phase.GRADIENTS} & {row.phase for row in report.rows}

    def test_a_fault_is_found_and_train_mode_brings_the_gradients(self, compare: Compare) -> None:
        report = compare("Recurrent", IDS, paddle={"factor": 1.1})
        assert report.first_divergence is not None
        assert report.first_divergence.phase is Phase.FORWARD
        report = compare("Recurrent", IDS, train=True)
        assert report, str(report)
        assert any(row.kind is CaptureKind.PARAMETER_GRADIENT for row in report.rows)
        report = compare("Recurrent", IDS, paddle={"gradient": 3.0}, train=True)
        assert report.first_divergence is not None
        assert report.first_divergence.phase is Phase.BACKWARD

    def test_both_phases_asked_for_by_name_are_an_error(self, compare: Compare) -> None:
        with pytest.raises(InvalidRequestError, match="train: true on both sides brings it"):
            compare("Recurrent", IDS, options={"diff_phase": "both"})


class TestModelsThatRunUnseen:
    """Compiled, exported or scripted: a unit, with its weights and their gradients."""

    @pytest.mark.parametrize(
        "way",
        [
            ("torch", "script"),
            ("torch", "trace"),
            ("torch", "load"),
            ("torch", "export"),
            ("torch", "compile"),
            ("paddle", "to_static"),
            ("paddle", "full_graph"),
            ("paddle", "load"),
        ],
        ids=" ".join,
    )
    def test_are_compared_as_one(self, compare: Compare, way: tuple[str, str]) -> None:
        train = way[1] in ("script", "compile", "full_graph")
        given: dict[str, Any] = {way[0]: {"way": way[1], "within": train}}
        given.setdefault("torch" if way[0] == "paddle" else "paddle", {"within": train})
        report = compare("net", X, **given, train=train)
        assert report, str(report)
        side = "reference" if way[0] == "torch" else "candidate"
        what = "inner" if train else "the whole model"
        assert f"compiled, exported or scripted on the {side}: {what}; compared as a unit" in str(report)
        assert report.coverage.parameters_compared == (10 if train else 6)
        gradients = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
        if train or way[0] == "torch":
            assert len(gradients) == report.coverage.parameters_compared
        else:
            assert "has no backward in eval mode; train: true" in str(report) or len(gradients) == 6

    @pytest.mark.parametrize("way", [("torch", "script"), ("paddle", "load")], ids=" ".join)
    def test_a_fault_inside_is_found(self, compare: Compare, way: tuple[str, str]) -> None:
        given: dict[str, Any] = {"torch": {"within": True}, "paddle": {"within": True, "factor": 1.1}}
        given[way[0]]["way"] = way[1]
        report = compare("net", X, **given)
        assert report.first_divergence is not None
        assert (report.first_divergence.phase, report.first_divergence.path) == (Phase.FORWARD, "inner")


@pytest.mark.parametrize("swapped", [False, True], ids=["torch to paddle", "paddle to torch"])
def test_paddles_wrong_backward_of_a_group_norm_without_weights_is_found(
    compare: Compare, swapped: bool
) -> None:
    image = np.random.default_rng(0).standard_normal((2, 3, 5, 5), dtype=np.float32)
    assert compare("GroupNormed", image, torch={"affine": True}, paddle={"affine": True}, swapped=swapped)
    report = compare("GroupNormed", image, torch={"affine": False}, paddle={"affine": False}, swapped=swapped)
    first = report.first_divergence
    assert first is not None
    assert (first.kind, first.path) == (CaptureKind.INPUT_GRADIENT, "1"), str(report)

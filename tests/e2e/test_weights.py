"""Weights that the candidate keeps otherwise: axes in another order, users' rules, parametrised layers.

Torch is the reference. The models are `models/torch_weights.py` and `models/paddle_weights.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, LayerMap, ModelSpec, Report, auto_diff
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
TOKENS = np.random.default_rng(1).standard_normal((2, 5, 8)).astype(np.float32)
ADAM = {"optimizer": ("paddle_weights:adam", "torch_weights:adam"), "steps": 2}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares `paddle_weights:name` with `torch_weights:name`; `fault` and `kwargs` go to the models."""

    def run(
        name: str, x: np.ndarray, fault: str = "", kwargs: Optional[dict[str, Any]] = None, **rest: Any
    ) -> Report:
        train = rest.pop("train", False)
        torch, paddle = dict(kwargs or {}), {**(kwargs or {}), **({"fault": fault} if fault else {})}
        layer = ModelSpec(
            "paddle", f"paddle_weights:{name}", kwargs=paddle, worker=service.paddle, train=train
        )
        module = ModelSpec("torch", f"torch_weights:{name}", kwargs=torch, worker=service.torch, train=train)
        batch = Batch(args=(x,))
        return auto_diff(layer, module, (batch, batch), server=service.server, **rest)

    return run


def rule(name: str) -> LayerMap:
    return LayerMap().special_init(("", ""), f"paddle_weights:{name}")


def gradients(report: Report) -> list[Row]:
    return [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]


def compared(report: Report) -> set[str]:
    """Returns the parameters whose gradients were held against the reference's."""
    return {row.candidate.slot for row in gradients(report) if row.candidate and row.figures}


def first(report: Report) -> tuple[Phase, str]:
    found = report.first_divergence
    assert found is not None, str(report)
    assert found.row.candidate is not None
    return found.row.phase, found.row.candidate.slot


RULES = [None, "turned"]


@pytest.mark.parametrize("options", [{}, {"single_step": True}, {"local_error": True}], ids=str)
@pytest.mark.parametrize("by", RULES, ids=["found", "by a rule"])
def test_axes_in_another_order(compare: Compare, by: Optional[str], options: dict[str, Any]) -> None:
    given = {} if by is None else {"layer_map": rule(by)}
    rest = {} if options.get("single_step") else ADAM
    report = compare("experts", X, options=options, **given, **rest)
    assert report, str(report)
    assert compared(report) == {"weight", "bias", "up", "down", "out"}
    assert report.coverage.tensors_compared == report.coverage.tensors_total
    if rest:
        state = [row for row in report.rows if row.phase is Phase.OPTIMIZER and row.rule]
        assert any("axes" in str(row.rule) or str(row.rule).endswith("turned") for row in state)


@pytest.mark.parametrize("by", RULES, ids=["found", "by a rule"])
@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("gradient", (Phase.GRADIENTS, "up")),
        ("untrained", (Phase.GRADIENTS, "up")),
        ("order", (Phase.FORWARD, "0")),
    ],
)
def test_faults_behind_another_order(
    compare: Compare, by: Optional[str], fault: str, where: tuple[Phase, str]
) -> None:
    report = compare("experts", X, fault=fault, **({} if by is None else {"layer_map": rule(by)}))
    assert not report
    assert first(report) == where


def test_a_rule_that_turns_nothing_fails_in_forward(compare: Compare) -> None:
    report = compare("experts", X, layer_map=rule("wrongly_turned"))
    assert first(report) == (Phase.FORWARD, "0")


def test_what_one_output_shows_is_tried_together(compare: Compare) -> None:
    report = compare("heads", TOKENS)
    assert report, str(report)
    rules = {one.name: str(one.rule) for one in report.weights if one.path == "3" and one.side == "reference"}
    assert rules == {"q": "transpose", "k": "identity", "v": "identity", "o": "transpose"}


def test_what_nothing_tells_is_reported(compare: Compare) -> None:
    report = compare("flat", X)
    [note] = [note for note in report.notes if note.startswith("orientation: 'up'")]
    assert note.endswith("they cannot be told apart, so say it by layer_map.special_init")


@pytest.mark.parametrize("options", [{}, {"compare_mode": "mean", "atol": 1.0}], ids=str)
def test_the_nearest_order_is_taken_though_another_agrees(compare: Compare, options: dict[str, Any]) -> None:
    report = compare("small", X, options=options)
    assert report, str(report)
    [fate] = [one for one in report.weights if one.name == "w" and one.side == "reference"]
    assert str(fate.rule) == "transpose"


def test_a_fault_behind_such_a_weight(compare: Compare) -> None:
    assert first(compare("small", X, fault="gradient")) == (Phase.GRADIENTS, "w")


IMAGES = np.random.default_rng(2).standard_normal((2, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("form", ["new", "old"])
def test_weight_norms_in_both_forms_and_over_any_axis(compare: Compare, form: str) -> None:
    report = compare("weight_normed", IMAGES, kwargs={"form": form}, **ADAM)
    assert report, str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 5 * 3
    assert {"weight_g", "weight_v", "bias"} == compared(report)
    rules = {(one.path, one.name.rpartition(".")[2]): str(one.rule) for one in report.weights if one.rule}
    assert rules["3", "original1" if form == "new" else "weight_v"] == "transpose"


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("gradient", (Phase.GRADIENTS, "weight_g")),
        ("untrained", (Phase.GRADIENTS, "weight_v")),
        ("dim", (Phase.FORWARD, "0")),
    ],
)
def test_faults_of_weight_norms(compare: Compare, fault: str, where: tuple[Phase, str]) -> None:
    report = compare("weight_normed", IMAGES, fault=fault, kwargs={"form": "new"})
    assert first(report) == where


@pytest.mark.parametrize("form", ["new", "old"])
def test_spectral_norms_in_both_forms(compare: Compare, form: str) -> None:
    # The newer form begins each power iteration with the other vector than Paddle: see docs/lockstep.md.
    report = compare(
        "spectrally_normed",
        IMAGES,
        kwargs={"form": form},
        train=True,
        options={"local_error": False} if form == "new" else {},
    )
    assert report, str(report)
    assert compared(report) == {"weight_orig", "weight", "bias"}
    assert report.coverage.buffers_compared == report.coverage.buffers_total == 4


@pytest.mark.parametrize(
    ("fault", "where"),
    [("gradient", (Phase.GRADIENTS, "weight_orig")), ("dim", (Phase.INITIAL_WEIGHTS, "weight_u"))],
)
def test_faults_of_spectral_norms(compare: Compare, fault: str, where: tuple[Phase, str]) -> None:
    report = compare(
        "spectrally_normed",
        IMAGES,
        fault=fault,
        kwargs={"form": "new"},
        train=True,
        options={"local_error": False},
    )
    assert first(report) == where


@pytest.mark.parametrize("form", ["new", "old", "orthogonal"])
def test_a_port_that_holds_what_the_reference_computes(compare: Compare, form: str) -> None:
    report = compare("plain", X, kwargs={"form": form})
    assert report, str(report)
    [note] = [note for note in report.notes if "only that they are there" in note]
    assert note.startswith("the gradients of 0.weight are not compared")
    assert compared(report) == {"weight", "bias"}
    [row] = [row for row in gradients(report) if row.verdict is Verdict.NOT_COMPARED]
    assert row.candidate is not None
    assert row.candidate.path == "0"


def test_a_weight_of_such_a_port_that_is_not_trained(compare: Compare) -> None:
    assert first(compare("plain", X, fault="untrained", kwargs={"form": "new"})) == (
        Phase.GRADIENTS,
        "weight",
    )


def buffer_notes(report: Report) -> list[str]:
    return [note for note in report.notes if note.startswith("buffer ")]


def test_tables_that_agree_are_no_news(compare: Compare) -> None:
    report = compare("tables", X)
    assert report, str(report)
    # Running statistics are what the copy is for.
    assert buffer_notes(report) == []


def test_a_wrong_table_that_the_copy_hides_is_named(compare: Compare) -> None:
    report = compare("tables", X, fault="index")
    assert report
    [note] = buffer_notes(report)
    assert note.startswith(
        "buffer differs before any copy: 'index' (by up to 3); the reference's values are used"
    )
    assert note in str(report)


def test_a_wrong_table_that_is_never_copied_fails_and_is_named(compare: Compare) -> None:
    report = compare("tables", X, fault="window")
    assert first(report)[0] is Phase.FORWARD
    [note] = buffer_notes(report)
    assert note.startswith(
        "buffer differs before any copy: 'window' (by up to 0.1); state files leave it out"
    )


@pytest.mark.parametrize("here", ["reference", "candidate"])
def test_weights_tied_on_one_side_alone_are_named(service: Any, here: str) -> None:
    specs = [
        ModelSpec(
            framework,
            f"{framework}_weights:tied",
            kwargs={"here": side == here},
            worker=getattr(service, framework),
        )
        for framework, side in (("paddle", "candidate"), ("torch", "reference"))
    ]
    batch = Batch(args=(X,))
    report = auto_diff(*specs, (batch, batch), server=service.server)
    [note] = [note for note in report.notes if note.startswith("tied")]
    other = "candidate" if here == "reference" else "reference"
    assert note == (
        f"tied on the {here} alone: its 'inner.weight' is 'inner.weight' and 'outer.weight' on the {other}, "
        "which part in training"
    )
    assert not report


def test_settings_of_containers_that_part_are_listed(service: Any) -> None:
    layer = ModelSpec("paddle", "paddle_weights:encoder", worker=service.paddle)
    module = ModelSpec("torch", "torch_weights:encoder", kwargs={"norm_first": True}, worker=service.torch)
    batch = Batch(args=(TOKENS,))
    report = auto_diff(layer, module, (batch, batch), server=service.server)
    assert not report
    found = {one.name: (one.reference, one.candidate) for one in report.hyper_parameters}
    assert found["norm_first"] == ("True", "False")
    assert "norm_first is True" in str(report)

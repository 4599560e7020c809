"""Norms that apply an activation and say so: compared behind it, whatever the values are before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
FORMS = ("layer", "function", "nowhere")
LOCKSTEP: dict[str, Any] = {"single_step": True}
SWAPPED = pytest.mark.parametrize("swapped", [False, True], ids=["candidate's", "reference's"])

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(
        name: str,
        *,
        torch: Optional[dict[str, Any]] = None,
        paddle: Optional[dict[str, Any]] = None,
        torch_name: str = "",
        swapped: bool = False,
        train: bool = False,
        given: np.ndarray = X,
        **options: Any,
    ) -> Report:
        ours = ModelSpec(
            "torch",
            f"torch_activated:{torch_name or name}",
            kwargs=torch or {},
            worker=service.torch,
            train=train,
        )
        theirs = ModelSpec(
            "paddle", f"paddle_activated:{name}", kwargs=paddle or {}, worker=service.paddle, train=train
        )
        batch = Batch(args=(given,))
        return auto_diff(
            layer=ours if swapped else theirs,
            module=theirs if swapped else ours,
            example_inp=(batch, batch),
            server=service.server,
            options=Options(**options),
        )

    return run


def place_of(report: Report) -> str:
    """Returns where the first divergence is, and fails where there is none."""
    assert report.exit_code == 1, str(report)
    row = report.first_divergence.row
    return f"{row.reference.path} {row.between}"


@pytest.mark.parametrize("form", FORMS)
@SWAPPED
def test_healthy_ports_pass(compare: Compare, form: str, swapped: bool) -> None:
    for train, options in ((False, {}), (False, LOCKSTEP), (True, LOCKSTEP)):
        given = {"form": form}
        report = compare("Fresh", torch=given, paddle=given, swapped=swapped, train=train, **options)
        assert report, str(report)
        # Without a tensor behind it on one side, one gradient has no partner.
        left_out = "an activation that the other side does not show" in str(report).splitlines()[0]
        assert left_out is (form == "nowhere"), str(report)


@pytest.mark.parametrize("lacking", ["torch", "paddle"])
@pytest.mark.parametrize("form", FORMS)
@SWAPPED
def test_a_relu_that_one_side_lacks_fails(compare: Compare, form: str, lacking: str, swapped: bool) -> None:
    kwargs: dict[str, dict[str, Any]] = {"torch": {"form": form}, "paddle": {"form": form}}
    kwargs[lacking]["fault"] = "without"
    # In eval mode it shows in the backward alone: the gradient stops at zeros on one side.
    report = compare("Fresh", **kwargs, swapped=swapped, **LOCKSTEP)
    assert "norm" in place_of(report), str(report)
    assert not any(row.kind.value == "output" for row in report.faults), str(report)
    report = compare("Fresh", **kwargs, swapped=swapped, train=True, **LOCKSTEP)
    assert any(name in place_of(report) for name in ("norm", "last")), str(report)
    assert report.first_divergence.row.phase.value == "forward", str(report)


@pytest.mark.parametrize("form", FORMS)
@SWAPPED
def test_a_scaled_gradient_behind_it_fails(compare: Compare, form: str, swapped: bool) -> None:
    paddle = {"form": form, "fault": "scaled"}
    report = compare("Fresh", torch={"form": form}, paddle=paddle, swapped=swapped, **LOCKSTEP)
    assert "norm" in place_of(report), str(report)


@SWAPPED
def test_noise_hides_no_activation_from_lockstep(compare: Compare, swapped: bool) -> None:
    given = np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32)
    report = compare("Noisy", given=given, swapped=swapped, train=True, **LOCKSTEP)
    forward = [row for row in report.faults if row.kind.value == "output"]
    assert not forward, str(report)


@SWAPPED
def test_a_subclass_that_says_nothing_is_compared_as_it_is(compare: Compare, swapped: bool) -> None:
    report = compare("Fresh", paddle={"form": "nowhere"}, torch_name="Silent", swapped=swapped, **LOCKSTEP)
    assert str(report).startswith("PASS: the models agree\n"), str(report)

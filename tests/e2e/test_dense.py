"""Values that one side makes anew for each layer, and the other once: own gradients of calls are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff

X = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
DENSE = [{"joins": joins, "outside": outside} for joins in (True, False) for outside in (True, False)]
PAIRS = [*(("Dense", kwargs) for kwargs in DENSE), ("Twice", {}), ("Dropped", {})]
NAMES = ["concat-outside", "concat", "sum-outside", "sum", "twice", "dropped"]
PASSES: dict[str, dict[str, Any]] = {"free": {}, "lockstep": {"single_step": True}}

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(name: str, kwargs: dict[str, Any], swapped: bool = False, **options: Any) -> Report:
        faults = {key: options.pop(key) for key in ("fault", "faults") if key in options}
        paddle = ModelSpec(
            "paddle", f"paddle_joins:{name}", kwargs={**kwargs, **faults}, worker=service.paddle
        )
        torch = ModelSpec("torch", f"torch_joins:{name}", kwargs=kwargs, worker=service.torch)
        given = Batch(args=(X,))
        return auto_diff(
            layer=torch if swapped else paddle,
            module=paddle if swapped else torch,
            example_inp=(given, given),
            server=service.server,
            options=Options(**options),
        )

    return run


# Local errors make a pass in lockstep, too.
@pytest.mark.parametrize("options", [{}, {"local_error": True}], ids=["free", "local"])
@pytest.mark.parametrize(("name", "kwargs"), PAIRS, ids=NAMES)
def test_healthy_ports_pass_with_every_gradient_compared(
    compare: Compare, name: str, kwargs: dict[str, Any], options: dict[str, bool]
) -> None:
    for swapped in (False, True) if options else (False,):
        report = compare(name, kwargs, swapped, **options)
        assert report, str(report)
        assert str(report).startswith("PASS: the models agree\n"), str(report)


@pytest.mark.parametrize("kwargs", DENSE[1:3], ids=NAMES[1:3])
@pytest.mark.parametrize("kind", PASSES)
def test_a_scaled_gradient_is_named_in_its_layer(compare: Compare, kwargs: dict[str, Any], kind: str) -> None:
    report = compare("Dense", kwargs, faults={"2": "scaled"}, **PASSES[kind])
    assert report.exit_code == 1, str(report)
    first = report.first_divergence.row
    assert (first.reference.path, first.kind.value) == ("layers.2.fc", "output_gradient") or (
        "layers.2.fc#0" in first.between
    ), str(report)
    if kind == "lockstep":
        assert all("layers.2" in row.reference.path or "layers.2" in row.between for row in report.faults)


@pytest.mark.parametrize("kwargs", DENSE[1:3], ids=NAMES[1:3])
@pytest.mark.parametrize("kind", PASSES)
def test_a_gradient_that_code_loses_shows_in_what_the_code_was_given(
    compare: Compare, kwargs: dict[str, Any], kind: str
) -> None:
    report = compare("Dense", kwargs, faults={"2": "dropped"}, **PASSES[kind])
    assert report.exit_code == 1, str(report)
    # What was made last before the join that loses it.
    first = report.first_divergence.row
    assert "layers.1" in f"{first.reference.path} {first.between}", str(report)


@pytest.mark.parametrize("name", ["Twice", "Dropped"])
@pytest.mark.parametrize("kind", PASSES)
def test_a_second_taker_without_its_gradient_fails(compare: Compare, name: str, kind: str) -> None:
    report = compare(name, {}, fault=True, **PASSES[kind])
    assert report.exit_code == 1, str(report)
    first = report.first_divergence.row
    assert "first" in f"{first.reference.path} {first.between}", str(report)


@pytest.mark.parametrize(
    ("fault", "place"),
    [("", ""), ("scaled", "denseblock3.denselayer5"), ("dropped", "denseblock3.denselayer4")],
)
def test_densenet_as_torchvision_has_it_against_paddles_own(service: Any, fault: str, place: str) -> None:
    given = Batch(args=(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32),))
    kwargs = {"fault": fault}
    report = auto_diff(
        layer=ModelSpec("paddle", "paddle_joins:densenet121", kwargs=kwargs, worker=service.paddle),
        module=ModelSpec("torch", "torch_dense:densenet121", worker=service.torch),
        example_inp=(given, given),
        server=service.server,
        options=Options(single_step=True),
    )
    assert report.exit_code == (1 if fault else 0), str(report)
    assert report.coverage.parameters_compared == 364
    faults = [f"{row.reference.path} {row.between}" for row in report.faults]
    # What a join loses is missing in each tensor that it joined, from the last made to the first.
    assert len(faults) == {"": 0, "scaled": 1, "dropped": 5}[fault], str(report)
    assert all("denseblock3" in one for one in faults), str(report)
    if faults:
        assert place in f"{report.first_divergence.row.reference.path} {faults[0]}", str(report)

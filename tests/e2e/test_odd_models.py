"""Models that nobody would write, and somebody has: `models/torch_odd.py` and `models/paddle_odd.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff

X = Batch(args=(np.random.default_rng(0).standard_normal((2, 4), dtype=np.float32),))
# By name: the layer at which a wrong factor shows first.
MODELS = {
    "Knots": "",
    "Generator": "",
    "Objects": "",
    "Unwilling": "",
    "Recursive": "",
    "Often": "",
    "Partial": "",
    "Late": "",
    "Empty": "",
    "Wider": "",
}


def compared(service: Any, name: str, factor: float = 1.0, **options: Any) -> Report:
    layer, module = (
        ModelSpec(
            framework, f"{framework}_odd:build", kwargs=kwargs, worker=getattr(service, framework), train=True
        )
        for framework, kwargs in (
            ("paddle", {"name": name, "factor": factor}),
            ("torch", {"name": name}),
        )
    )
    return auto_diff(layer, module, (X, X), server=service.server, options=options)


@pytest.mark.parametrize("name", MODELS)
def test_a_healthy_pair_passes_freely_and_in_lockstep(service: Any, name: str) -> None:
    report = compared(service, name, local_error=True)
    assert report, str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total


@pytest.mark.parametrize(("name", "place"), MODELS.items())
def test_a_fault_is_found_where_it_is(service: Any, name: str, place: str) -> None:
    found = compared(service, name, 1.1).first_divergence
    assert found is not None
    assert found.candidate is not None
    assert found.candidate.path == place

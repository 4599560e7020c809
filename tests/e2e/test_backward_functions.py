"""Gradients that go wrong in code between layers: the functions are named with both sides' lines.

The models are `models/torch_backward.py` and `models/paddle_backward.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.records import FunctionFinding
from padiff_rpc.v1.words import FindingKind, Phase

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(fault: str = "", candidate: str = "paddle", **options: Any) -> Report:
        reference = "torch" if candidate == "paddle" else "paddle"
        layer, module = (
            ModelSpec(
                framework, f"{framework}_backward:Net", kwargs=kwargs, worker=getattr(service, framework)
            )
            for framework, kwargs in ((candidate, {"fault": fault}), (reference, {}))
        )
        value = np.random.default_rng(0).standard_normal((2, 5, 8), dtype=np.float32)
        return auto_diff(
            layer=layer,
            module=module,
            example_inp=(Batch(args=(value,)),) * 2,
            server=service.server,
            options=options,
        )

    return run


def line(found: FunctionFinding, side: str, part: str = "_call") -> str:
    call = getattr(found, side + part)
    return call.source.text.strip() if call is not None and call.source is not None else ""


@pytest.mark.parametrize("candidate", ["paddle", "torch"])
def test_a_healthy_port_passes_and_nothing_is_looked_into(compare: Compare, candidate: str) -> None:
    report = compare(candidate=candidate)
    assert report, str(report)
    assert report.findings == ()


@pytest.mark.parametrize("candidate", ["paddle", "torch"])
def test_a_backward_of_the_users_own_is_named_on_both_sides(compare: Compare, candidate: str) -> None:
    report = compare("factor", candidate)
    (found,) = report.findings
    assert (found.kind, found.phase, found.candidate.path) == (
        FindingKind.FUNCTION,
        Phase.BACKWARD,
        "blocks.1",
    )
    for side in ("candidate", "reference"):
        assert line(found, side).startswith("h = Turn.apply(h, 0.2 if")
    text = report.finding(found)
    assert "equal gradients come in, different ones go out" in text
    assert "`Turn(factor=0.2)`" in text
    assert "`Turn(factor=0.1)`" in text
    assert text in str(report)
    assert json.loads(report.to_json())["findings"][0]["text"] == text
    marked = [one for one in str(report).splitlines() if "HERE" in one]
    assert marked
    assert all("Turn" in one for one in marked)


@pytest.mark.parametrize("candidate", ["paddle", "torch"])
def test_a_hook_that_changes_a_gradient_is_named(compare: Compare, candidate: str) -> None:
    report = compare("hook", candidate)
    (found,) = report.findings
    assert (found.kind, found.candidate.path) == (FindingKind.EXTRA, "blocks.1")
    assert line(found, "candidate").startswith("h.register_hook")
    assert line(found, "reference", "_user").startswith("h = Turn.apply")


@pytest.mark.parametrize("candidate", ["paddle", "torch"])
def test_a_gradient_that_is_lost_is_told_as_such(compare: Compare, candidate: str) -> None:
    report = compare("detach", candidate)
    (found,) = report.findings
    assert (found.kind, found.candidate.path) == (FindingKind.EXTRA, "blocks.1")
    assert line(found, "candidate").startswith("h = self.down(h.detach()")
    assert "the candidate's gradient ends at `detach()`" in report.finding(found)


@pytest.mark.parametrize("candidate", ["paddle", "torch"])
def test_a_mask_that_blocks_gradients_is_followed_to_the_comparison_that_makes_it(
    compare: Compare, candidate: str
) -> None:
    report = compare("where", candidate)
    (found,) = report.findings
    assert found.candidate.path == "blocks.1"
    assert line(found, "candidate").startswith("keep = ")
    assert line(found, "reference").startswith("keep = ")
    assert line(found, "candidate", "_user").startswith("h = ")
    assert "which gradients alone show" in report.finding(found)


def test_layers_alone_are_told_where_nothing_else_is_asked_for(compare: Compare) -> None:
    report = compare("factor", detail="layers")
    assert not report
    assert report.findings == ()

"""Calls of other kinds that compute the same: methods against operators, functions against layers.

The models are `models/torch_calls.py` and `models/paddle_calls.py`; one comparison has all of their faults.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.records import FunctionFinding
from padiff_rpc.v1.words import FindingKind

FAULTS = ("added", "filled", "scaled", "activated", "normed", "halves")


def compare(service: Any, *faults: str) -> Report:
    layer, module = (
        ModelSpec(framework, f"{framework}_calls:Net", kwargs=kwargs, worker=getattr(service, framework))
        for framework, kwargs in (("paddle", {"faults": faults}), ("torch", {}))
    )
    value = np.random.default_rng(0).standard_normal((2, 5, 8), dtype=np.float32)
    return auto_diff(
        layer=layer, module=module, example_inp=(Batch(args=(value,)),) * 2, server=service.server
    )


@pytest.fixture(scope="module")
def faulty(service: Any) -> Report:
    return compare(service, *FAULTS)


def found(report: Report, path: str) -> FunctionFinding:
    (one,) = [one for one in report.findings if one.candidate.path == path]
    return one


def line(found: FunctionFinding, side: str) -> Optional[str]:
    call = getattr(found, f"{side}_call")
    return call.source.text.strip() if call is not None and call.source is not None else None


def test_a_method_an_operator_a_function_and_a_layer_pass_for_one_another(service: Any) -> None:
    """A maximum that a layer takes has the reference's value there, and its own gradient."""
    report = compare(service)
    assert report, str(report)
    assert report.findings == ()


def test_each_fault_is_found_in_its_own_layer_in_one_comparison(faulty: Report) -> None:
    paths = ["added", "filled", "scaled", "activated", "normed", "up", "down"]
    assert [one.candidate.path for one in faulty.findings] == paths, str(faulty)


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        ("added", "return x.subtract(h)", "return self.fc(x) + x"),
        ("filled", "return paddle.where(h < 0.5", "return h.masked_fill(h > 0.5"),
        ("scaled", "return paddle.scale(h, 0.25", "h.mul_(0.5)"),
        ("normed", "h = F.layer_norm(h, [8], epsilon=1e-3", "h = F.layer_norm(h, (8,), eps=1e-5)"),
    ],
)
def test_a_method_is_held_against_an_operator(faulty: Report, path: str, ours: str, theirs: str) -> None:
    one = found(faulty, path)
    assert one.kind is FindingKind.FUNCTION
    assert (line(one, "candidate") or "").startswith(ours)
    assert (line(one, "reference") or "").startswith(theirs)


def test_a_setting_of_a_function_stands_beside_it(faulty: Report) -> None:
    """A wrong epsilon in a block with a GELU."""
    (differing,) = found(faulty, "normed").differing
    assert (differing.name, differing.candidate, differing.reference) == ("epsilon", "0.001", "1e-05")


def test_a_fault_behind_a_layer_that_is_a_function_on_the_other_side_is_found(faulty: Report) -> None:
    one = found(faulty, "activated")
    assert one.kind is FindingKind.EXTRA
    assert (line(one, "candidate") or "").startswith("return h - x * 2.0")


def test_what_doubles_and_what_halves_are_both_found_though_the_model_returns_the_same(
    service: Any,
) -> None:
    report = compare(service, "halves")
    kinds = [(one.kind, one.candidate.path, line(one, "candidate")) for one in report.findings]
    assert kinds == [
        (FindingKind.EXTRA, "up", "return h * 2.0 if self.wrong else h"),
        (FindingKind.EXTRA, "down", "return self.fc(x / 2.0) if self.wrong else self.fc(x)"),
    ], str(report)
    rows = [row for row in report.rows if row.kind == "output" and row.reference and not row.reference.path]
    assert rows
    assert not report
